package qapi

import "context"

// Screendump writes the picture that a display device of that id shows into a file that QEMU
// makes, on its own host and with its own rights, as PPM.
func Screendump(ctx context.Context, e Executor, device, file string) error {
	return do(ctx, e, "screendump", map[string]string{"device": device, "filename": file})
}

package probe

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DataFile is the path of a file that comes with a QEMU binary, such as the firmware bios-256k.bin: it
// is in one of the folders that the binary says it looks in (-L help). Where it is in none, the error
// is an [fs.ErrNotExist].
func DataFile(ctx context.Context, binary, name string) (string, error) {
	folders, _, err := run(ctx, InPath(binary), "-L", "help")
	if err != nil {
		return "", fmt.Errorf("probe: %s -L help: %w", binary, err)
	}
	for folder := range strings.Lines(folders) {
		path := filepath.Join(strings.TrimSpace(folder), name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("probe: %s comes with no %s: %w", binary, name, fs.ErrNotExist)
}

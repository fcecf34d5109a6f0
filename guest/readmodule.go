package guest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ulikunitz/xz"
)

// largestModule bounds a module that is unpacked, in bytes.
const largestModule = 64 << 20

// readModule reads a module, as the kernel takes it: not every kernel unpacks one itself.
func readModule(file string) ([]byte, error) {
	image, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r io.Reader
	switch filepath.Ext(file) {
	case ".ko":
		return image, nil
	case ".xz":
		r, err = xz.NewReader(bytes.NewReader(image))
	case ".gz":
		r, err = gzip.NewReader(bytes.NewReader(image))
	default:
		return nil, fmt.Errorf("guest: %s is compressed in a way that drover doesn't read: unpack it", file)
	}
	if err != nil {
		return nil, fmt.Errorf("guest: %s: %w", file, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, largestModule+1))
	if err == nil && len(plain) > largestModule {
		err = fmt.Errorf("it has more than %d bytes", largestModule)
	}
	if err != nil {
		return nil, fmt.Errorf("guest: %s: %w", file, err)
	}
	return plain, nil
}

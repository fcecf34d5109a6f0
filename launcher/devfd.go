package launcher

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// descriptorsHaveNames says what a file system below root lacks, such as that of a chroot, where
// QEMU is to open a descriptor by its name; QEMU itself says only that there is no such file.
func descriptorsHaveNames(root string, args []string) error {
	if !slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, "/dev/fd/") }) {
		return nil
	}
	missing := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return errors.Is(err, fs.ErrNotExist)
	}
	switch {
	case missing("proc/self/fd"):
		return errors.New("/proc is not mounted, and QEMU opens what it inherits as /dev/fd/N, which is in there: mount -t proc proc /proc")
	case missing("dev/fd"):
		return errors.New("there is no /dev/fd, and QEMU opens what it inherits there: ln -s /proc/self/fd /dev/fd")
	}
	return nil
}

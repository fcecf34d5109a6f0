package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/drover-vm/drover/launcher"
)

// lostRecord says that what -record asked for is not complete: a disk may be full. It
// returns nil where it is, or nothing was asked for. The VM has been closed.
func lostRecord(vm *launcher.VM, dir string) error {
	if dir == "" {
		return nil
	}
	path := func(kind string) string { return filepath.Join(dir, vm.Name()+"."+kind) }
	lost := func(err error) error { return fmt.Errorf("the record in %s is not complete: %w", dir, err) }
	if size, err := sizeOf(path("console")); err != nil {
		return lost(err)
	} else if all := vm.Console().Mark(); size != all {
		return lost(fmt.Errorf("%s has %d bytes, and the guest wrote %d", path("console"), size, all))
	}
	if size, err := sizeOf(path("stderr")); err != nil {
		return lost(err)
	} else if least := len(vm.Stderr()); size < int64(least) {
		return lost(fmt.Errorf("%s has %d bytes, and QEMU wrote %d or more", path("stderr"), size, least))
	}
	for _, kind := range []string{"console.cast", "qmp", "qtest"} {
		if err := endsWithALine(path(kind)); err != nil {
			return lost(err)
		}
	}
	return nil
}

func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// endsWithALine is the error of a file in which there is none, or the last one breaks off.
func endsWithALine(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size == 0 {
		return fmt.Errorf("%s is empty", path)
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if last[0] != '\n' {
		return fmt.Errorf("%s breaks off after %d bytes", path, size)
	}
	return nil
}

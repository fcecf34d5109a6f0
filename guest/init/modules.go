//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// modulesFolder has the modules and, in the file list, their names in the order in which they
// have to be loaded, a line each.
const modulesFolder = "/modules/"

// loadModules loads what the archive brought, and returns what went wrong.
func loadModules() (problems []string) {
	list, err := os.ReadFile(modulesFolder + "list")
	if err != nil {
		return nil // a kernel that has all built in
	}
	for name := range strings.FieldsSeq(string(list)) {
		if err := loadModule(modulesFolder + name); err != nil && !errors.Is(err, syscall.EEXIST) {
			problems = append(problems, fmt.Sprintf("module %s: %v", name, err))
		}
	}
	return problems
}

func loadModule(path string) error {
	image, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	none := [1]byte{}
	_, _, errno := syscall.Syscall(syscall.SYS_INIT_MODULE, uintptr(unsafe.Pointer(&image[0])), uintptr(len(image)), uintptr(unsafe.Pointer(&none[0])))
	if errno != 0 {
		return errno
	}
	return nil
}

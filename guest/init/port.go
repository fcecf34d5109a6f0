//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// portTimeout is how long the kernel may take to find a port, once it has the module.
const portTimeout = 3 * time.Second

// openPort opens the virtio-serial port of that name, or else the console, and says which.
// The error says why it isn't the port that was wanted.
func openPort(wanted string) (f *os.File, name string, err error) {
	if wanted != "" {
		for began := time.Now(); time.Since(began) < portTimeout; time.Sleep(5 * time.Millisecond) {
			if path := findPort(wanted); path != "" {
				if f, err = openBlocking(path); err == nil {
					return f, wanted, nil
				}
			}
		}
		err = fmt.Errorf("no virtio-serial port is called %s (%v): the console is in its place", wanted, err)
	}
	f, consoleErr := openBlocking("/dev/console")
	if consoleErr != nil {
		return os.Stdout, "stdout", consoleErr
	}
	makeRaw(f)
	return f, "console", err
}

// awaitPort is the path of the virtio-serial port of that name, which the kernel may not have found yet.
func awaitPort(name string) (string, error) {
	for began := time.Now(); time.Since(began) < portTimeout; time.Sleep(5 * time.Millisecond) {
		if path := findPort(name); path != "" {
			return path, nil
		}
	}
	return "", fmt.Errorf("no virtio-serial port is called %s", name)
}

func findPort(wanted string) string {
	names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, n := range names {
		if text, err := os.ReadFile(n); err == nil && strings.TrimSpace(string(text)) == wanted {
			return "/dev/" + filepath.Base(filepath.Dir(n))
		}
	}
	return ""
}

// openBlocking opens a device whose reads take a thread each: they don't depend on the
// device's poll.
func openBlocking(path string) (*os.File, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// makeRaw has a terminal neither echo nor change what goes through it.
func makeRaw(f *os.File) {
	var t syscall.Termios
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&t))); errno != 0 {
		return
	}
	t.Iflag &^= syscall.IGNBRK | syscall.BRKINT | syscall.PARMRK | syscall.ISTRIP | syscall.INLCR | syscall.IGNCR | syscall.ICRNL | syscall.IXON
	t.Oflag &^= syscall.OPOST
	t.Lflag &^= syscall.ECHO | syscall.ECHONL | syscall.ICANON | syscall.ISIG | syscall.IEXTEN
	t.Cc[syscall.VMIN], t.Cc[syscall.VTIME] = 1, 0
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TCSETS, uintptr(unsafe.Pointer(&t)))
}

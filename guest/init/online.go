//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// systemFolder is where the kernel says which vCPUs and which memory it has.
const systemFolder = "/sys/devices/system"

// onlineTimeout is how long the kernel may take to find what it has, or what was plugged: it finds
// a disk behind a controller after that, and a clock that it measured on a busy host may be fast.
const onlineTimeout = 10 * time.Second

// onlineVCPUs waits until the kernel has a vCPU that it doesn't use, and has it use all: a kernel
// leaves that to whoever runs on it.
func onlineVCPUs(folder string) error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if n, err := switchOn(folder, "cpu/cpu[0-9]*/online", "0", "1"); err != nil || n > 0 {
			return err
		}
		if time.Since(began) > onlineTimeout {
			return fmt.Errorf("expected a vCPU that was plugged, found none in %s", onlineTimeout)
		}
	}
}

// onlineMemory has the kernel use memory that was plugged, where there is some, for what can be
// moved, such as the pages of programs.
func onlineMemory(folder string) error {
	_, err := switchOn(folder, "memory/memory[0-9]*/state", "offline", "online_movable")
	return err
}

// switchOn writes a state to all files that have another, and says how many they were.
func switchOn(folder, pattern, off, on string) (n int, err error) {
	files, _ := filepath.Glob(filepath.Join(folder, pattern))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(text)) != off {
			continue
		}
		if err := os.WriteFile(file, []byte(on), 0); err != nil {
			return n, fmt.Errorf("bringing what was plugged online: %w", err)
		}
		n++
	}
	return n, nil
}

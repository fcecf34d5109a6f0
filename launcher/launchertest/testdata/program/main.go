// Command program does in a guest what a test wants: its first argument says what.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "print":
		for _, a := range os.Args[2:] {
			fmt.Println(a)
		}
		fmt.Fprintln(os.Stderr, "error output")
	case "exit":
		fmt.Println("about to exit")
		status, _ := strconv.Atoi(os.Args[2])
		os.Exit(status)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	case "write":
		n, _ := strconv.Atoi(os.Args[2])
		_, _ = os.Stdout.Write(bytes.Repeat([]byte("0123456789abcde\n"), n/16))
	case "hang": // with a child, which has its output
		if len(os.Args) == 2 {
			child := exec.Command("/proc/self/exe", "hang", "child")
			child.Stdout = os.Stdout
			_ = child.Start()
			fmt.Println("hanging")
		}
		time.Sleep(time.Hour)
	case "count": // processes that hang
		n := 0
		folders, _ := os.ReadDir("/proc")
		for _, f := range folders {
			text, _ := os.ReadFile("/proc/" + f.Name() + "/cmdline")
			if bytes.Contains(text, []byte("\x00hang\x00")) {
				n++
			}
		}
		fmt.Println(n)
	case "console":
		_ = os.WriteFile("/dev/console", []byte("from the program\n"), 0)
	case "panic-kernel":
		_ = os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	}
}

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// relayModes are those of a real QEMU whose monitor goes through the fake, and the exit
// statuses that are right.
func relayModes() []struct {
	mode  string
	allow []int
} {
	broken := []int{1, 2}
	return []struct {
		mode  string
		allow []int
	}{
		{"relay-as-it-is", []int{0}},
		{"relay-in-pieces", []int{0}},
		{"relay-blank-lines", []int{0, 1, 2}},
		{"relay-closes", broken},
		{"relay-stalls", broken},
		{"relay-replies-twice", []int{0, 1, 2}}, // a reply of before is no reply
		{"relay-garbles", broken},
		{"relay-wrong-id", broken},
		{"relay-endless", broken},
		{"relay-events", []int{0, 1, 2}},
		{"relay-completed-is-failed", broken},
		{"relay-active-is-completed", broken},
		{"relay-no-stop", broken},
		{"relay-no-resume", broken},
		{"relay-two-stops", broken},
		{"relay-less-ram", broken},
		{"relay-other-status", broken},
		{"relay-no-quit", broken},
		{"relay-stderr", broken},
		{"relay-stderr-floods", broken},
		{"relay-dies", broken},
		{"relay-kills-qemu", broken},
	}
}

// after is the line of the monitor's at which one goes wrong: the guest has booted.
const after = 25

// serve is the word with which this program starts itself to pass on.
const serve = "relay-serve"

// relay has another process pass on what goes over the monitor, and becomes the real QEMU:
// drover sees no process but that.
func relay(args []string) int {
	real := os.Getenv(fakeReal)
	err := interpose(descriptor(args, "drover-qmp"))
	if err == nil {
		err = syscall.Exec(real, append([]string{real}, args...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	return 9
}

// interpose puts a process of its own between drover and the descriptor of that number,
// if it is one.
func interpose(number uintptr) error {
	if number == 0 { // it is asked something
		return nil
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := start(uintptr(pair[0]), number, "first"); err != nil {
		return err
	}
	return syscall.Dup3(pair[1], int(number), 0)
}

// start starts this program to pass on between QEMU and drover. The first only starts
// the second, which so is no child of QEMU's.
func start(qemu, drover uintptr, which string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	pid, err := syscall.ForkExec(self, []string{fakeName, serve, which, strconv.Itoa(os.Getpid())}, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2, qemu, drover},
	})
	if err == nil && which == "first" {
		_, err = syscall.Wait4(pid, nil, 0, nil)
	}
	return err
}

// serveRelay is what such a process does.
func serveRelay(mode string, args []string) int {
	const qemu, drover = 3, 4
	if args[0] == "first" {
		if err := start(qemu, drover, args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 9
		}
		return 0
	}
	for _, number := range foreign() {
		_ = syscall.Close(number)
	}
	pid, _ := strconv.Atoi(args[0])
	r := &relaying{mode: mode, qemu: os.NewFile(qemu, "qemu"), drover: os.NewFile(drover, "drover"), pid: pid}
	go r.up()
	if mode == "relay-stderr-floods" {
		go endless(os.Stderr, "y\n")
	}
	r.down()
	return 0
}

// foreign are the descriptors that this process was given, and that are nothing to it.
func foreign() (numbers []int) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(number), syscall.F_GETFD, 0)
		if err == nil && number > 4 && errno == 0 && flags&syscall.FD_CLOEXEC == 0 { // those are Go's
			numbers = append(numbers, number)
		}
	}
	return numbers
}

type relaying struct {
	mode         string
	qemu, drover *os.File
	pid          int
}

// up passes on what drover says.
func (r *relaying) up() {
	piece := make([]byte, 64<<10)
	for {
		n, err := r.drover.Read(piece)
		if err != nil {
			break
		}
		if r.mode == "relay-no-quit" && bytes.Contains(piece[:n], []byte(`"quit"`)) {
			continue
		}
		if _, err := r.qemu.Write(piece[:n]); err != nil {
			break
		}
	}
	_ = syscall.Shutdown(int(r.qemu.Fd()), syscall.SHUT_WR)
}

// hangUp ends the session: a file that somebody reads from isn't closed before that ends.
func (r *relaying) hangUp() { _ = syscall.Shutdown(int(r.drover.Fd()), syscall.SHUT_RDWR) }

// down passes on what QEMU says, with something wrong in it.
func (r *relaying) down() {
	lines := bufio.NewReader(r.qemu)
	for count := 1; ; count++ {
		line, err := lines.ReadString('\n')
		if err != nil {
			r.hangUp()
			return
		}
		if line = r.wrong(line, count); line != "" {
			_, _ = io.WriteString(r.drover, line)
		}
	}
}

var (
	replyID  = regexp.MustCompile(`"id": (\d+)`)
	ramTotal = regexp.MustCompile(`"total": (\d+)`)
)

// wrong is what becomes of a line, the first of which is number 1; empty for nothing.
func (r *relaying) wrong(line string, count int) string {
	migration := strings.Contains(line, `"MIGRATION"`) || strings.Contains(line, `"total-time"`)
	is := func(name string) bool { return strings.Contains(line, `"event": "`+name+`"`) }
	at := count == after
	switch r.mode {
	case "relay-in-pieces":
		for len(line) > 10 {
			_, _ = io.WriteString(r.drover, line[:10])
			line = line[10:]
		}
	case "relay-blank-lines":
		return "\n \r\n" + line
	case "relay-closes":
		if at {
			r.hangUp()
			time.Sleep(hour)
		}
	case "relay-stalls":
		if at {
			time.Sleep(hour)
		}
	case "relay-replies-twice":
		if strings.Contains(line, `"id"`) {
			return line + line
		}
	case "relay-garbles":
		if at {
			return strings.Replace(line, "{", "[", 1)
		}
	case "relay-wrong-id":
		if at {
			return replyID.ReplaceAllString(line, `"id": 9$1`)
		}
	case "relay-endless":
		if at {
			_, _ = io.WriteString(r.drover, `{"return": "`)
			endless(r.drover, "A")
		}
	case "relay-events":
		return line + strings.Repeat(event, 200)
	case "relay-completed-is-failed":
		if migration {
			return strings.ReplaceAll(line, `"completed"`, `"failed"`)
		}
	case "relay-active-is-completed":
		if migration {
			return strings.ReplaceAll(line, `"active"`, `"completed"`)
		}
	case "relay-no-stop":
		if is("STOP") {
			return ""
		}
	case "relay-no-resume":
		if is("RESUME") {
			return ""
		}
	case "relay-two-stops":
		if is("STOP") {
			return line + line
		}
	case "relay-less-ram":
		return ramTotal.ReplaceAllString(line, `"total": 4096`)
	case "relay-other-status":
		return strings.ReplaceAll(line, `"postmigrate"`, `"running"`)
	case "relay-stderr":
		_, _ = os.Stderr.WriteString("\x1b[31mnoise\x1b[0m\n")
	case "relay-dies":
		if at {
			os.Exit(7)
		}
	case "relay-kills-qemu":
		if at {
			_ = syscall.Kill(r.pid, syscall.SIGKILL)
		}
	}
	return line
}

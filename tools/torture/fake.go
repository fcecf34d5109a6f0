package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// This is the fake's side: what a QEMU does that drover starts.

func versionModes() []string {
	return []string{
		"version-hangs", "version-hangs-ignoring-signals", "version-garbage", "version-floods", "version-floods-stderr", "version-exits",
		"version-escapes", "version-huge", "version-empty", "version-forks", "version-forks-only",
	}
}

func helpModes() []string { return []string{"help-hangs", "help-floods", "help-exits", "help-garbage"} }

func startModes() []string {
	return []string{
		"start-hangs", "start-hangs-ignoring-signals", "start-floods-stderr", "start-floods-stdout", "start-floods-console", "start-exits", "start-exits-0",
		"start-segv", "start-closes-monitor", "start-escapes", "start-long-line", "start-binary", "start-forks",
		"greeting-number", "greeting-other", "greeting-http", "greeting-empty", "greeting-array", "greeting-deep", "greeting-null", "greeting-twice",
		"greeting-not-utf8", "greeting-endless", "greeting-slow",
		"reply-endless", "reply-wrong-id", "reply-no-id", "reply-text-id", "reply-both", "reply-twice", "reply-escapes", "reply-silent", "reply-exits", "reply-events",
	}
}

const (
	hour  = time.Hour
	flood = 4 << 30 // bytes; more than anything here is allowed to keep
)

const versionLine = "QEMU emulator version 7.2.99 (fake)"

func play(mode string, args []string) int {
	if slices.Equal(args, []string{"-version"}) {
		if status, done := playVersion(mode); done {
			return status
		}
		fmt.Println(versionLine)
		return 0
	}
	if len(args) > 1 && args[0] == serve {
		return serveRelay(mode, args[1:])
	}
	if strings.HasPrefix(mode, "relay-") {
		return relay(args)
	}
	if slices.Contains(args, "help") {
		return playHelp(mode, args)
	}
	return playStart(mode, args)
}

// endless writes until nobody reads, or it is a lot.
func endless(w io.Writer, text string) {
	piece := []byte(strings.Repeat(text, 1+32<<10/len(text)))
	for n := 0; n < flood; n += len(piece) {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

const escapes = "\x1b]0;OWNED\x07\x1b[2J\x1b[31mevil\x1b[0m\r\x08\x9b31m\u202e"

func ignoreSignals() { signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) }

// child leaves a process behind that has this one's group, or one of its own.
func child(ownSession bool) {
	self, err := os.Executable()
	if err != nil {
		return
	}
	_, _ = syscall.ForkExec(self, []string{fakeName, "child"}, &syscall.ProcAttr{
		Env: append(os.Environ(), fakeMode+"=child"), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: ownSession},
	})
}

func playVersion(mode string) (status int, done bool) {
	switch mode {
	case "version-hangs":
		time.Sleep(hour)
	case "version-hangs-ignoring-signals":
		ignoreSignals()
		time.Sleep(hour)
	case "version-garbage":
		_, _ = os.Stdout.Write([]byte{0, 1, 2, 0xff, 0xfe, '\n', 0x1b, '[', '2', 'J'})
	case "version-floods":
		endless(os.Stdout, "y\n")
	case "version-floods-stderr":
		endless(os.Stderr, "y\n")
	case "version-exits":
		fmt.Fprintln(os.Stderr, "no way")
		return 5, true
	case "version-escapes":
		fmt.Println(escapes)
	case "version-huge":
		fmt.Println("QEMU emulator version 99999999999999999999.1.2")
	case "version-empty":
	case "version-forks-only":
		child(false)
		fmt.Println("I am none")
	default:
		if mode == "version-forks" {
			child(false)
		}
		return 0, false
	}
	return 0, true
}

func playHelp(mode string, args []string) int {
	switch {
	case mode == "help-hangs":
		time.Sleep(hour)
	case mode == "help-floods":
		endless(os.Stdout, "y\n")
	case mode == "help-exits":
		fmt.Fprintln(os.Stderr, "no help")
		return 4
	case mode == "help-garbage":
		fmt.Println(escapes)
	case slices.Contains(args, "-object"):
		fmt.Println("List of user creatable objects:\n  qtest\n  iothread")
	case slices.Contains(args, "-machine"):
		fmt.Println("Supported machines are:\npc                   Standard PC (alias of pc-i440fx-7.2)\npc-i440fx-7.2        Standard PC (default)")
	}
	return 0
}

const greeting = `{"QMP": {"version": {"qemu": {"micro": 99, "minor": 2, "major": 7}, "package": "fake"}, "capabilities": ["oob"]}}` + "\r\n"

const event = `{"event": "RTC_CHANGE", "data": {"offset": 1}, "timestamp": {"seconds": 1, "microseconds": 2}}` + "\n"

var chardev = regexp.MustCompile(`^socket,id=(drover-\w+),fd=(\d+)$`)

// descriptor is the number that a character device was given; 0 where there is none.
func descriptor(args []string, id string) (number uintptr) {
	for _, arg := range args {
		if found := chardev.FindStringSubmatch(arg); found != nil && found[1] == id {
			_, _ = fmt.Sscan(found[2], &number)
		}
	}
	return number
}

func playStart(mode string, args []string) int {
	switch mode {
	case "child":
		time.Sleep(hour)
	case "start-hangs":
		time.Sleep(hour)
	case "start-hangs-ignoring-signals":
		ignoreSignals()
		time.Sleep(hour)
	case "start-floods-stderr":
		endless(os.Stderr, "y\n")
		time.Sleep(hour)
	case "start-floods-stdout":
		endless(os.Stdout, "y\n")
		time.Sleep(hour)
	case "start-floods-console":
		if f := descriptor(args, "drover-serial"); f > 0 {
			endless(os.NewFile(f, "console"), escapes)
		}
		time.Sleep(hour)
	case "start-exits":
		fmt.Fprintln(os.Stderr, "qemu: could not")
		return 3
	case "start-exits-0":
		return 0
	case "start-segv":
		signal.Reset(syscall.SIGSEGV)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "start-escapes":
		fmt.Fprintln(os.Stderr, "qemu: "+escapes)
		return 1
	case "start-long-line":
		fmt.Fprintln(os.Stderr, "qemu: "+strings.Repeat("A", 1_000_000))
		return 1
	case "start-binary":
		for i := range 10_000 {
			_, _ = os.Stderr.Write([]byte{byte(i)})
		}
		return 1
	case "start-forks":
		child(false)
		fmt.Fprintln(os.Stderr, "qemu: I leave a child")
		return 1
	}
	number := descriptor(args, "drover-qmp")
	if number == 0 {
		fmt.Fprintln(os.Stderr, "no monitor among the arguments")
		return 9
	}
	monitor := os.NewFile(number, "monitor")
	if mode == "start-closes-monitor" {
		_ = monitor.Close()
		time.Sleep(hour)
	}
	if strings.HasPrefix(mode, "greeting-") {
		return playGreeting(mode, monitor)
	}
	return playReplies(mode, monitor)
}

func playGreeting(mode string, monitor *os.File) int {
	const forever = `{"QMP": "`
	texts := map[string]string{
		"number": `{"QMP": 5}`, "other": `{"hello": 1}`, "http": "HTTP/1.1 400 Bad Request\r\n\r", "empty": `{"QMP": {}}`, "array": "[1,2,3]",
		"deep": `{"QMP":` + strings.Repeat("[", 5000), "null": `{"QMP": null}`, "twice": greeting + greeting, "not-utf8": "{\"QMP\": \"\xff\xfe\"}",
		"endless": forever, "slow": "",
	}
	if mode == "greeting-slow" {
		for _, c := range []byte(greeting) {
			_, _ = monitor.Write([]byte{c})
			time.Sleep(300 * time.Millisecond)
		}
	}
	_, _ = io.WriteString(monitor, texts[strings.TrimPrefix(mode, "greeting-")]+"\n")
	if mode == "greeting-endless" {
		endless(monitor, "A")
	}
	time.Sleep(hour)
	return 0
}

func playReplies(mode string, monitor *os.File) int {
	_, _ = io.WriteString(monitor, greeting)
	if mode == "reply-events" {
		endless(monitor, event)
	}
	for d := json.NewDecoder(bufio.NewReader(monitor)); ; {
		var request struct{ ID json.RawMessage }
		if d.Decode(&request) != nil {
			return 0
		}
		id := string(request.ID)
		good := `{"return": {}, "id": ` + id + "}\n"
		var reply string
		switch mode {
		case "reply-wrong-id":
			reply = `{"return": {}, "id": 9` + id + "}\n"
		case "reply-no-id":
			reply = "{\"return\": {}}\n"
		case "reply-text-id":
			reply = `{"return": {}, "id": "` + id + "\"}\n"
		case "reply-both":
			reply = `{"return": {}, "error": {"class": "GenericError", "desc": "x"}, "id": ` + id + "}\n"
		case "reply-twice":
			reply = good + good
		case "reply-escapes":
			text, _ := json.Marshal(escapes)
			reply = `{"error": {"class": "GenericError", "desc": ` + string(text) + `}, "id": ` + id + "}\n"
		case "reply-silent":
		case "reply-exits":
			return 0
		case "reply-endless":
			_, _ = io.WriteString(monitor, `{"return": "`)
			endless(monitor, "A")
		default:
			fmt.Fprintf(os.Stderr, "torture: there is no mode %q\n", mode)
			return 9
		}
		_, _ = io.WriteString(monitor, reply)
	}
}

//go:build linux

// Command init is what a Linux guest runs, and all that it runs: the first process of an
// initramfs, which has nothing else in it but kernel modules. It loads these, starts its
// workers, each of which watches a part of the machine, and says over a virtio-serial port, or
// the console, what they see: package wire has how.
// It also runs the programs that it is sent.
//
// A worker is a file of its own here, named worker_NAME.go: see [Worker].
//
// It is built for the guest's architecture where a run needs it, from its source, which
// package guest has embedded: so it imports the standard library and package wire only.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/drover-vm/drover/guest/wire"
)

// mostHeap is up to where garbage is left: to collect it, all threads have to stop, and one on a
// vCPU that has stopped itself would keep all others, those that would complain of it among them.
const mostHeap = 48 << 20

func main() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(mostHeap)
	problems := mountAll()
	o := readOptions()
	problems = append(problems, loadModules()...)
	port, name, err := openPort(o.port)
	if err != nil {
		problems = append(problems, err.Error())
	}
	t := newTalk(port)
	go t.write()
	for _, p := range problems {
		t.say(wire.SaysProblem, wire.Problem{Text: p})
	}
	c := newCrew(t, o)
	t.say(wire.SaysHello, wire.Hello{
		Version: wire.Version, Kernel: release(), Arch: runtime.GOARCH, CPUs: cpusOnline(), Port: name,
		Workers: c.names(), Boot: monotonic().Seconds(),
	})
	c.startAll(o.later)
	go beat(t)
	c.obey(port)
}

// beatEvery is the time between two signs of life.
const beatEvery = 20 * time.Millisecond

func beat(t *talk) {
	for n := uint64(1); ; n++ {
		t.say(wire.SaysBeat, wire.Beat{Number: n})
		time.Sleep(beatEvery)
	}
}

// mountAll mounts what the kernel offers of itself, and returns what went wrong.
func mountAll() (problems []string) {
	for _, m := range []struct{ kind, place string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"},
	} {
		_ = os.MkdirAll(m.place, 0o755)
		if err := syscall.Mount(m.kind, m.place, m.kind, 0, ""); err != nil {
			problems = append(problems, fmt.Sprintf("mount %s: %v", m.place, err))
		}
	}
	return problems
}

// options are what drover wants, from the kernel's command line.
type options struct {
	port    string   // of virtio-serial: its name; empty for the console
	workers []string // in the order in which they start
	later   []string // those of them that start when they are told to
	of      map[string]string
}

// value is an option of a worker's, drover.NAME=VALUE; empty where it was not given.
func (o options) value(name string) string { return o.of[name] }

func readOptions() options {
	text, _ := os.ReadFile("/proc/cmdline")
	o := options{of: map[string]string{}}
	for word := range strings.FieldsSeq(string(text)) {
		name, value, _ := strings.Cut(word, "=")
		name, ok := strings.CutPrefix(name, "drover.")
		switch {
		case !ok:
		case name == "port":
			o.port = value
		case name == "workers" && value != "":
			o.workers = strings.Split(value, ",")
		case name == "later" && value != "":
			o.later = strings.Split(value, ",")
		default:
			o.of[name] = value
		}
	}
	return o
}

func release() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// cpusOnline is how many vCPUs the kernel uses now.
func cpusOnline() (n int) {
	text, _ := os.ReadFile("/proc/stat")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "cpu"); ok && rest[0] >= '0' && rest[0] <= '9' {
			n++
		}
	}
	return n
}

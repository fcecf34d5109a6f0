package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/protocol/qapi"
)

// holder returns what keeps a failed scenario's VMs alive until a key is
// pressed, and prints how to attach to them.
func holder(stdin *os.File, out io.Writer, show display) func(ctx context.Context, p *migration.Pair, dir string) {
	return func(ctx context.Context, p *migration.Pair, dir string) {
		text := howToAttach(ctx, p, dir)
		if d, ok := show.(*textDisplay); ok {
			d.pause(out, text)
			defer d.resume()
		} else {
			fmt.Fprint(out, text)
		}
		awaitKey(ctx, stdin)
	}
}

func howToAttach(ctx context.Context, p *migration.Pair, dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Held: %s\n", p.Facts.Scenario)
	if p.Facts.Error != "" {
		fmt.Fprintf(&b, "  %s\n", plain.Cut(p.Facts.Error, longestComplaint))
	}
	for _, s := range p.Sides() {
		if state := s.ExitState(); state != nil {
			fmt.Fprintf(&b, "  %s: has ended, %s\n", s.Name(), state)
			continue
		}
		fmt.Fprintf(&b, "  %s: process %d, QEMU %s\n", s.Name(), s.PID(), s.Facts.Version)
		fmt.Fprintf(&b, "    QMP      socat -,rawer %s\n", launcher.ShellQuote("UNIX-CONNECT:"+s.Attach()))
		fmt.Fprintf(&b, "    console  tail -c +1 -f %s\n", launcher.ShellQuote(filepath.Join(dir, s.Name()+".console")))
		gdb := filepath.Join(filepath.Dir(s.Attach()), s.Name()+".gdb")
		if _, err := qapi.HumanMonitor(ctx, s.QMP(), "gdbserver unix:"+gdb+",server=on,wait=off"); err == nil {
			fmt.Fprintf(&b, "    guest    gdb -ex %s\n", launcher.ShellQuote("target remote "+gdb))
		}
		fmt.Fprintf(&b, "    QEMU     gdb -p %d\n", s.PID())
	}
	fmt.Fprintf(&b, "  artifacts: %s\n", dir)
	b.WriteString("Press a key to go on.\n")
	return b.String()
}

const ctrlC = 3

// awaitKey returns at the first key, at the end of the input, or when ctx
// ends. In the last case its reader stays behind until the process ends: a
// read from a terminal can't be taken back.
func awaitKey(ctx context.Context, stdin *os.File) {
	if state, err := term.MakeRaw(int(stdin.Fd())); err == nil {
		defer func() { _ = term.Restore(int(stdin.Fd()), state) }()
	}
	pressed := make(chan byte, 1)
	go func() {
		key := make([]byte, 1)
		_, _ = stdin.Read(key)
		pressed <- key[0]
	}()
	select {
	case key := <-pressed:
		if key == ctrlC { // a raw terminal no longer makes a signal of it
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGINT)
		}
	case <-ctx.Done():
	}
}

// Command drover moves real guests between real QEMUs, and proves that nothing
// was lost. See "drover help".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/drover-vm/drover/internal/near"
	"github.com/drover-vm/drover/internal/plain"
)

// Exit statuses.
const (
	exitOK        = 0 // nothing failed; what was skipped did not
	exitFailed    = 1 // a scenario or a check failed
	exitCannotRun = 2 // it could not be tried: the command line, a QEMU, an interrupt, an output that can't be written
)

// A command is one word after "drover".
type command struct {
	name, does string
	run        func(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int
	// owns says that the command starts processes. When ctx ends it ends them, and is
	// waited for. A command that owns none needn't look at ctx.
	owns bool
}

func commands() []command {
	return []command{
		{"run", "run migration scenarios", runCommand, true},
		{"list", "list the scenarios", listCommand, false},
		{"vet", "check scenario files without running them", vetCommand, false},
		{"verbs", "print what a scenario file can say", verbsCommand, false},
		{"console", "boot a guest and attach this terminal to its serial console", consoleCommand, true},
		{"matrix", "move guests between every two QEMUs of the fleet, and compare with what was predicted", matrixCommand, true},
		{"preflight", "predict what becomes of a guest between two QEMUs, without moving one", preflightCommand, true},
		{"judge", "judge a saved run again", judgeCommand, false},
		{"report", "join what several runs reported, or say what changed between two", reportCommand, false},
		{"inspect", "read a migration stream, and print what is in it and what is wrong with it", inspectCommand, false},
		{"fleet", "fetch, list and remove private copies of QEMU", fleetCommand, true},
		{"doctor", "print what this host has, what it lacks, and what that costs", doctorCommand, true},
	}
}

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	// A second Ctrl-C ends us at once; the kernel then ends our QEMUs.
	context.AfterFunc(ctx, stop)
	os.Exit(dispatch(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// dispatch runs a command, and returns the exit status.
func dispatch(ctx context.Context, args []string, stdin, stdout, stderr *os.File) int {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	out, errs := newPrinter(ctx, end, stdout), newPrinter(ctx, func(error) {}, stderr)
	c := find(args)
	if wantsHelp(c.args) {
		status := c.start(ctx, stdin, out, out) // help that was asked for is no complaint
		return ended(status, out, errs)
	}
	return ended(c.start(ctx, stdin, out, errs), out, errs)
}

// ended is the exit status of a command, another where its output has been lost.
func ended(status int, out, errs *printer) int {
	_ = out.Flush()
	if err := out.output.lost(); err != nil {
		status = complain(errs, err)
	}
	_ = errs.Flush()
	return status
}

// A call is a command with its arguments.
type call struct {
	command
	args []string
}

// find returns what the words after "drover" call; where there is no such command,
// one that says so.
func find(args []string) call {
	if len(args) == 0 {
		return call{command: command{run: noCommand}}
	}
	if isHelp(args[0]) {
		if len(args) == 1 || isHelp(args[1]) {
			return call{command: command{run: helpCommand}}
		}
		args = []string{args[1], "-h"}
	}
	all := commands()
	if i := slices.IndexFunc(all, func(c command) bool { return c.name == args[0] }); i >= 0 {
		return call{all[i], args[1:]}
	}
	return call{command{run: unknownCommand}, args[:1]}
}

func isHelp(word string) bool {
	return word == "help" || word == "-h" || word == "-help" || word == "--help"
}

// endGrace is how long a command that owns no process is waited for when ctx has ended.
const endGrace = 250 * time.Millisecond

// start runs the command to its end, or to that of ctx. A command that owns processes
// ends them first; any other is left behind where it doesn't come back by itself: it
// may read a file that never ends.
func (c call) start(ctx context.Context, stdin *os.File, stdout, stderr io.Writer) int {
	returned := make(chan int, 1)
	go func() { returned <- c.run(ctx, c.args, stdin, stdout, stderr) }()
	select {
	case status := <-returned:
		return status
	case <-ctx.Done():
	}
	if c.owns {
		return <-returned
	}
	select {
	case status := <-returned:
		return status
	case <-time.After(endGrace):
		return interrupted(ctx, stderr, "")
	}
}

// interrupted prints that ctx has ended, and why; then what has been done about it. Where
// the output can't be written, why is for dispatch to print.
func interrupted(ctx context.Context, stderr io.Writer, then string) int {
	why := context.Cause(ctx)
	_, lost := errors.AsType[*outputError](why)
	switch {
	case !lost && then != "":
		note(stderr, fmt.Sprintf("interrupted: %v; %s", why, then))
	case !lost:
		note(stderr, fmt.Sprintf("interrupted: %v", why))
	case then != "":
		note(stderr, then)
	}
	return exitCannotRun
}

func noCommand(_ context.Context, _ []string, _ *os.File, _, stderr io.Writer) int {
	usage(stderr)
	return exitCannotRun
}

func helpCommand(_ context.Context, _ []string, _ *os.File, stdout, _ io.Writer) int {
	usage(stdout)
	return exitOK
}

func unknownCommand(_ context.Context, args []string, _ *os.File, _, stderr io.Writer) int {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	complain(stderr, fmt.Errorf("no command %s%s", quoted(args[0]), didYouMean(args[0], names)))
	fmt.Fprintln(stderr, `Run "drover help" for a list of commands.`)
	return exitCannotRun
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Drover moves real guests between real QEMUs, and proves that nothing was lost.\n\nusage: drover COMMAND [arguments]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.does)
	}
	fmt.Fprint(w, "\nRun \"drover COMMAND -h\" for its flags.\n")
}

// exitOf is the exit status of something that worked or could not be done.
func exitOf(err error, stderr io.Writer) int {
	if err != nil {
		return complain(stderr, err)
	}
	return exitOK
}

// longestComplaint is how much is printed of an error, in bytes. It is more than any of
// ours has; a QEMU may print without end.
const longestComplaint = 8 << 10

// complain prints in one line why something could not run.
func complain(stderr io.Writer, err error) int {
	note(stderr, err.Error())
	return exitCannotRun
}

// note prints one line of our own.
func note(stderr io.Writer, text string) {
	fmt.Fprintf(stderr, "drover: %s\n", plain.Cut(text, longestComplaint))
}

// quoted is a word of the command line, for a message: cut where it is long.
func quoted(word string) string {
	if len(word) <= near.Longest {
		return fmt.Sprintf("%q", word)
	}
	return fmt.Sprintf("%q… (%d bytes)", strings.ToValidUTF8(word[:near.Longest], ""), len(word))
}

// didYouMean offers the names that a word may have meant, "" where there are none.
func didYouMean(word string, names []string) string {
	if offers := near.Names(word, names); len(offers) > 0 {
		return "; did you mean " + strings.Join(offers, " or ") + "?"
	}
	return ""
}

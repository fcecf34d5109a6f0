// Command drover moves real guests between real QEMUs, and proves that nothing
// was lost. See "drover help".
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/drover-vm/drover/internal/near"
)

// Exit statuses.
const (
	exitOK        = 0
	exitFailed    = 1 // a scenario or a check failed
	exitCannotRun = 2 // it could not run: the command line, a QEMU, an interrupt
)

// A command is one word after "drover".
type command struct {
	name, does string
	run        func(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int
}

func commands() []command {
	return []command{
		{"run", "run migration scenarios", runCommand},
		{"list", "name every scenario", listCommand},
		{"vet", "check scenario files without running them", vetCommand},
		{"verbs", "print what a scenario file can say", verbsCommand},
		{"console", "boot a guest and attach this terminal to its serial console", consoleCommand},
		{"matrix", "move guests between every two QEMUs of the fleet, and say what was predicted", matrixCommand},
		{"preflight", "predict what becomes of a guest between two QEMUs, without moving one", preflightCommand},
		{"judge", "judge a saved run again", judgeCommand},
		{"inspect", "read a migration stream, and say what is in it and what is wrong with it", inspectCommand},
		{"fleet", "fetch, list and remove private copies of QEMU", fleetCommand},
		{"doctor", "say what this host has, what it lacks, and what that costs", doctorCommand},
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

func dispatch(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitCannotRun
	}
	var names []string
	for _, c := range commands() {
		if c.name == args[0] {
			if wantsHelp(args[1:]) {
				stderr = stdout // help that was asked for is no complaint
			}
			return c.run(ctx, args[1:], stdin, stdout, stderr)
		}
		names = append(names, c.name)
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		if len(args) > 1 {
			return dispatch(ctx, []string{args[1], "-h"}, stdin, stdout, stdout)
		}
		usage(stdout)
		return exitOK
	}
	fmt.Fprintf(stderr, "drover: there is no command %q", args[0])
	if offers := near.Names(args[0], names); len(offers) > 0 {
		fmt.Fprintf(stderr, "; did you mean %s?", strings.Join(offers, " or "))
	}
	fmt.Fprintln(stderr, "\nRun \"drover help\" for those there are.")
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

// complain says in one line why something could not run.
func complain(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "drover: %v\n", err)
	return exitCannotRun
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/drover-vm/drover/internal/plain"
)

// newFlagSet makes a command's flags; text is shown before them.
func newFlagSet(name, text string, stderr io.Writer) *flag.FlagSet {
	set := flag.NewFlagSet("drover "+name, flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprint(set.Output(), text)
		set.PrintDefaults()
	}
	return set
}

// wantsHelp says whether -h is among the words before a --.
func wantsHelp(args []string) bool {
	for _, a := range args {
		switch a {
		case "-h", "-help", "--help":
			return true
		case "--":
			return false
		}
	}
	return false
}

// parseMixed parses flags wherever they stand, and returns the other words. Where help is
// among them it prints that and returns flag.ErrHelp. A flag that was given an empty text
// is an error: a script whose variable is unset means something else than the default.
func parseMixed(set *flag.FlagSet, args []string) (words []string, err error) {
	if wantsHelp(args) {
		set.Usage()
		return nil, flag.ErrHelp
	}
	out := set.Output()
	defer set.SetOutput(out)
	set.SetOutput(io.Discard) // what is wrong is printed by usageExit
	for {
		if err := set.Parse(args); err != nil {
			return nil, &flagError{set.Name(), err}
		}
		if args = set.Args(); len(args) == 0 {
			return words, emptyFlag(set)
		}
		words, args = append(words, args[0]), args[1:]
	}
}

// emptyFlag is the error of a flag whose text is empty.
func emptyFlag(set *flag.FlagSet) (err error) {
	set.Visit(func(f *flag.Flag) {
		g, ok := f.Value.(flag.Getter)
		if !ok {
			return
		}
		if text, ok := g.Get().(string); ok && strings.TrimSpace(text) == "" {
			err = usageError(fmt.Sprintf("-%s must not be empty; leave it out for the default", f.Name))
		}
	})
	return err
}

// longestTime is the longest that a time on the command line may be.
const longestTime = 30 * 24 * time.Hour

// checkTime is the error of a time that a flag can't have.
func checkTime(name string, t time.Duration) error {
	switch {
	case t < 0:
		return usageError(fmt.Sprintf("-%s must not be negative, as %v is", name, t))
	case t > longestTime:
		return usageError(fmt.Sprintf("-%s must not be more than %v (30 days), as %v is", name, longestTime, t))
	}
	return nil
}

// mostParallel is how many scenarios run at a time at the most. Others wait for slots
// anyway (DROVER_SLOTS), of which a machine has fewer.
const mostParallel = 256

const parallelUsage = "`number` of scenarios at a time; no more than 256 are, nor than this machine has slots for (DROVER_SLOTS)"

// checkParallel is the error of a number of scenarios at a time that can't be.
func checkParallel(n int) error {
	if n < 1 {
		return usageError(fmt.Sprintf("-parallel must be at least 1, not %d", n))
	}
	return nil
}

// namesIn are the words of a flag that takes several, with commas or blanks between them.
// An empty one is an error, as is none.
func namesIn(name, text string) ([]string, error) {
	var words []string
	for word := range strings.SplitSeq(text, ",") {
		fields := strings.Fields(word)
		if len(fields) == 0 {
			return nil, usageError(fmt.Sprintf("-%s must not have an empty name, as %s has", name, quoted(text)))
		}
		words = append(words, fields...)
	}
	return words, nil
}

// usageError is a command line that can't be right.
type usageError string

func (e usageError) Error() string { return string(e) }

// flagError is what package flag found wrong.
type flagError struct {
	command string
	err     error
}

func (e *flagError) Error() string { return plain.Cut(e.err.Error(), longestFlagError) }

// longestFlagError is how much is printed of what package flag found, in bytes: it quotes
// what it was given.
const longestFlagError = 300

// usageExit prints what is wrong with a command line, and returns the exit status.
// Help that was asked for has been printed.
func usageExit(err error, stderr io.Writer) int {
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	complain(stderr, err)
	if wrong, ok := errors.AsType[*flagError](err); ok {
		fmt.Fprintf(stderr, "Run \"%s -h\" for usage.\n", wrong.command)
	}
	return exitCannotRun
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
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

// parseMixed parses flags wherever they stand, and returns the other words.
func parseMixed(set *flag.FlagSet, args []string) (words []string, err error) {
	if !wantsHelp(args) {
		set.Usage = func() { fmt.Fprintf(set.Output(), "\"%s -h\" tells them.\n", set.Name()) }
	}
	for {
		if err := set.Parse(args); err != nil {
			return nil, err
		}
		if args = set.Args(); len(args) == 0 {
			return words, nil
		}
		words, args = append(words, args[0]), args[1:]
	}
}

// usageError is a command line that can't be right.
type usageError string

func (e usageError) Error() string { return string(e) }

// usageExit turns the error of a command line into an exit status. The flag
// package has already said what it found.
func usageExit(err error, stderr io.Writer) int {
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	var ours usageError
	if errors.As(err, &ours) {
		return complain(stderr, ours)
	}
	return exitCannotRun
}

package main

import (
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/report"
)

// Exit statuses of "drover run --bisect": what "git bisect run" takes them for.
const (
	exitUntried = 125 // this commit can't be tried: git tries another
	exitAbort   = 128 // no commit can be tried: git stops
)

// bisecting says whether a command line is one for git bisect, also where something else
// is wrong with it.
func bisecting(args []string) bool {
	if len(args) == 0 || args[0] != "run" {
		return false
	}
	if at := slices.Index(args, "--"); at >= 0 {
		args = args[:at]
	}
	return slices.ContainsFunc(args, func(word string) bool {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-"), "=")
		return strings.HasPrefix(word, "-") && name == "bisect" && (value == "" || value == "true")
	})
}

// bisectExit is the exit status of a run for git bisect. A commit is good when all that was
// asked for has passed: what was skipped or not judged says nothing about it.
func bisectExit(sum report.Sum, err error) int {
	switch {
	case sum.Failed > 0:
		return exitFailed
	case err != nil || sum.Total == 0 || sum.Passed < sum.Total:
		return exitUntried
	}
	return exitOK
}

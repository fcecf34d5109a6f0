package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/scenarios"
)

// longestPattern is that of a pattern, in bytes.
const longestPattern = 1000

// choose keeps the jobs of a suite, all where it is empty, that match any pattern; each
// pattern has to match one.
func choose(jobs []job, suite string, patterns []string) ([]job, error) {
	jobs, err := ofSuite(jobs, suite)
	if err != nil {
		return nil, err
	}
	if len(patterns) == 0 && suite == "" {
		jobs = slices.DeleteFunc(jobs, job.isLinux)
	}
	if len(patterns) == 0 {
		return jobs, nil
	}
	wanted := make([]bool, len(jobs))
	for _, pattern := range patterns {
		if len(pattern) > longestPattern {
			return nil, usageError(fmt.Sprintf("a pattern must not be longer than %d bytes, as %s is", longestPattern, quoted(pattern)))
		}
		found := false
		for i, j := range jobs {
			if matches(pattern, j.scenario.Name) || matches(pattern, j.name()) {
				wanted[i], found = true, true
			}
		}
		if !found {
			return nil, unknownScenario(pattern, jobs)
		}
	}
	var chosen []job
	for i, j := range jobs {
		if wanted[i] {
			chosen = append(chosen, j)
		}
	}
	return chosen, nil
}

// suites are the versions whose own migration-test a suite is of.
var suites = []string{"7.2", "10.0", "11.1", linuxSuite}

// linuxSuite are the scenarios whose guest is Linux: they are run where they are asked for.
const linuxSuite = "linux"

const suiteUsage = "only what QEMU's own migration-test of this `version` does (7.2, 10.0 or 11.1), or with Linux guests: linux"

// ofSuite keeps the jobs whose scenarios do what QEMU's own migration-test of that
// version does, all where it is empty.
func ofSuite(jobs []job, version string) ([]job, error) {
	switch version {
	case "":
		return jobs, nil
	case linuxSuite:
		return slices.DeleteFunc(jobs, func(j job) bool { return !j.isLinux() }), nil
	}
	names := scenarios.Suite(version)
	if names == nil {
		return nil, usageError("--suite must be 7.2, 10.0, 11.1 or linux, not " + quoted(version))
	}
	return slices.DeleteFunc(jobs, func(j job) bool { return !slices.Contains(names, j.scenario.Name) }), nil
}

// matches says whether the pattern is the name, or its beginning up to a
// slash; a star stands for anything.
func matches(pattern, name string) bool {
	words := strings.Split(strings.Trim(pattern, "/"), "*")
	rest, ok := strings.CutPrefix(name, words[0])
	if len(words) == 1 || !ok {
		return ok && atEnd(rest)
	}
	last := len(words) - 1
	for _, word := range words[1:last] {
		if _, rest, ok = strings.Cut(rest, word); !ok {
			return false
		}
	}
	if words[last] == "" {
		return true
	}
	for {
		at := strings.Index(rest, words[last])
		if at < 0 {
			return false
		}
		if atEnd(rest[at+len(words[last]):]) {
			return true
		}
		rest = rest[at+1:]
	}
}

// atEnd says whether a name, or a part of it up to a slash, ends where rest begins.
func atEnd(rest string) bool { return rest == "" || rest[0] == '/' }

func unknownScenario(pattern string, jobs []job) error {
	var names []string
	for _, s := range scenarios.All() {
		names = append(names, s.Name)
	}
	for _, j := range jobs {
		if word, _, _ := strings.Cut(pattern, "/"); word == j.options.Arch {
			names = append(names, j.name())
		}
	}
	if offer := didYouMean(pattern, names); offer != "" {
		return fmt.Errorf("%w %s%s", errNothing, quoted(pattern), offer)
	}
	return fmt.Errorf("%w %s; run \"drover list\" for a list of scenarios", errNothing, quoted(pattern))
}

// errNothing says that a command line asks for nothing that there is.
var errNothing = errors.New("no scenario matches")

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/drover-vm/drover/internal/near"
	"github.com/drover-vm/drover/migration/scenarios"
)

// choose keeps the jobs of a suite, all where it is empty, that match any pattern; each
// pattern has to match one.
func choose(jobs []job, suite string, patterns []string) ([]job, error) {
	jobs, err := ofSuite(jobs, suite)
	if len(patterns) == 0 || err != nil {
		return jobs, err
	}
	wanted := make([]bool, len(jobs))
	for _, pattern := range patterns {
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

const suiteUsage = "only what QEMU's own migration-test of this `version` does: 7.2 or 10.0"

// ofSuite keeps the jobs whose scenarios do what QEMU's own migration-test of that
// version does, all where it is empty.
func ofSuite(jobs []job, version string) ([]job, error) {
	if version == "" {
		return jobs, nil
	}
	names := scenarios.Suite(version)
	if names == nil {
		return nil, usageError("-suite is 7.2 or 10.0, not " + version)
	}
	return slices.DeleteFunc(jobs, func(j job) bool { return !slices.Contains(names, j.scenario.Name) }), nil
}

// matches says whether the pattern is the name, or its beginning up to a
// slash; a star stands for anything.
func matches(pattern, name string) bool {
	words := strings.Split(strings.Trim(pattern, "/"), "*")
	for i, w := range words {
		words[i] = regexp.QuoteMeta(w)
	}
	return regexp.MustCompile(`^` + strings.Join(words, `.*`) + `(/|$)`).MatchString(name)
}

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
	if offers := near.Names(pattern, names); len(offers) > 0 {
		return fmt.Errorf("%w %q; did you mean %s?", errNothing, pattern, strings.Join(offers, " or "))
	}
	return fmt.Errorf("%w %q; \"drover list\" names them", errNothing, pattern)
}

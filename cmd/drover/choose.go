package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/drover-vm/drover/internal/near"
	"github.com/drover-vm/drover/migration"
)

// choose keeps the jobs that match any pattern; each pattern has to match one.
func choose(jobs []job, patterns []string) ([]job, error) {
	if len(patterns) == 0 {
		return jobs, nil
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
	for _, s := range migration.Scenarios() {
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

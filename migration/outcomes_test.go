package migration_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/scenarios"
)

// outcomesFile has a line for each scenario on each version of the fleet: whether it
// passes, or why it can't be tried there. So a skip that appears or vanishes is seen in
// review. It is written anew, for the version that is tested, by
//
//	DROVER_QEMU=... go test ./migration -run TestMigration/x86_64 -update
var outcomesFile = filepath.Join("testdata", "outcomes.txt")

// versions are those that the file has.
var versions = []string{"5.2", "7.2", "10.0", "11.1"}

// outcomes are what the file has, by version and scenario.
type outcomes struct {
	mu sync.Mutex
	of map[string]string
}

func outcomeKey(version, name string) string { return fmt.Sprintf("%-5s %s", version, name) }

func readOutcomes(t *testing.T) *outcomes {
	t.Helper()
	o := &outcomes{of: map[string]string{}}
	text, err := os.ReadFile(outcomesFile)
	if err != nil && *update {
		return o
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		key, outcome, ok := strings.Cut(strings.TrimSpace(line), " = ")
		require.True(t, ok, line)
		o.of[key] = outcome
	}
	return o
}

var (
	patchLevel = regexp.MustCompile(`QEMU (\d+\.\d+)\.\d+`)
	ofQEMU     = regexp.MustCompile(`^QEMU \d`)
)

// outcomeOf says in a line what has come of a scenario; ok is false where this host kept
// it from being tried, which says nothing of the QEMU.
func outcomeOf(r *record.Result) (outcome string, ok bool) {
	switch {
	case r.Record != nil && r.Record.KnownBug != "":
		return "known bug: " + patchLevel.ReplaceAllString(r.Record.KnownBug, "QEMU $1"), true
	case r.Outcome == record.Skip && !ofQEMU.MatchString(r.Reason):
		return "", false
	case r.Outcome == record.Skip:
		return "skip: " + patchLevel.ReplaceAllString(r.Reason, "QEMU $1"), true
	}
	return string(r.Outcome), true
}

// hold holds a result against the file, or takes it into it where that is to be updated.
func (o *outcomes) hold(t *testing.T, version string, r *record.Result) {
	t.Helper()
	if !slices.Contains(versions, version) {
		return
	}
	outcome, ok := outcomeOf(r)
	if !ok {
		return
	}
	key := outcomeKey(version, r.Scenario)
	o.mu.Lock()
	defer o.mu.Unlock()
	if *update {
		o.of[key] = outcome
		return
	}
	require.Equal(t, o.of[key], outcome, "%s has another outcome for %s; where that is right, run with -update\n%s", outcomesFile, key, explain(r))
}

// write brings the file up to date.
func (o *outcomes) write(t *testing.T) {
	t.Helper()
	var text strings.Builder
	for _, key := range slices.SortedFunc(maps.Keys(o.of), func(a, b string) int {
		return strings.Compare(a[6:]+a[:5], b[6:]+b[:5])
	}) {
		fmt.Fprintf(&text, "%s = %s\n", key, o.of[key])
	}
	require.NoError(t, os.WriteFile(outcomesFile, []byte(text.String()), 0o644))
}

func TestEveryScenarioHasAnOutcomeOnEveryVersion(t *testing.T) {
	o := readOutcomes(t)
	all := slices.DeleteFunc(slices.Clone(scenarios.All()), func(s migration.Scenario) bool { return leftToTheCommand(s) || elsewhere(s) })
	for _, s := range all {
		for _, version := range versions {
			require.Contains(t, o.of, outcomeKey(version, s.Name), "run TestMigration on QEMU %s with -update", version)
		}
	}
	require.Len(t, o.of, len(all)*len(versions), "the file names scenarios that there are not")
}

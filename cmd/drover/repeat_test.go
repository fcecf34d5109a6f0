package main

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// begun are the names of the jobs that a run begins, one after the other, when each ends as
// outcome says.
func begun(r *rounds, outcome func(name string, nth int) record.Outcome) (names []string) {
	for j := range r.all() {
		names = append(names, j.scenario.Name)
		r.done(&record.Result{Outcome: outcome(j.scenario.Name, len(names))})
		select {
		case <-r.over:
			return names
		default:
		}
	}
	return names
}

func jobsNamed(names string) (jobs []job) {
	for name := range strings.FieldsSeq(names) {
		jobs = append(jobs, job{migration.Scenario{Name: name}, migration.Options{Arch: "x86_64"}})
	}
	return jobs
}

func passes(string, int) record.Outcome { return record.Pass }

func TestRoundsOfARun(t *testing.T) {
	third := func(_ string, nth int) record.Outcome {
		if nth == 3 {
			return record.Fail
		}
		return record.Pass
	}
	skips := func(string, int) record.Outcome { return record.Skip }
	for _, c := range []struct {
		flags   string
		outcome func(string, int) record.Outcome
		want    string
	}{
		{"", passes, "a b"},
		{"--count 3", passes, "a b a b a b"},
		{"--count 3", third, "a b a b a b"},
		{"--until-fail", third, "a b a"},
		{"--until-fail --count 1", third, "a b"},
		{"--until-fail", skips, "a b"},
		{"--count 1000", skips, "a b"},
		{"--count 2 --failed-first", passes, "b a b a"},
	} {
		r := parsedRepeats(t, c.flags)
		var failed map[string]bool
		if r.failedFirst {
			failed = map[string]bool{"x86_64/b": true}
		}
		require.Equal(t, strings.Fields(c.want), begun(newRounds(jobsNamed("a b"), r, failed), c.outcome), c.flags)
	}
}

func parsedRepeats(t *testing.T, flags string) (r repeats) {
	t.Helper()
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	r.flags(set)
	require.NoError(t, set.Parse(strings.Fields(flags)))
	require.NoError(t, r.check())
	return r
}

func TestSeedMakesTheOrder(t *testing.T) {
	const all = "a b c d e f g h i j"
	order := func(flags string) []string {
		return begun(newRounds(jobsNamed(all), parsedRepeats(t, flags), nil), passes)
	}
	one := order("--shuffle 1 --count 2")
	require.Equal(t, one, order("--shuffle 1 --count 2"))
	require.NotEqual(t, one, order("--shuffle 2 --count 2"))
	require.NotEqual(t, one[:10], one[10:])
	require.NotEqual(t, strings.Fields(all), order("--shuffle 0"))
	for _, round := range [][]string{one[:10], one[10:]} {
		require.ElementsMatch(t, strings.Fields(all), round)
	}
	require.True(t, slices.Contains(one, "j"))
}

func TestNextRoundWaitsUntilSomethingWasNotSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRounds(jobsNamed("a"), parsedRepeats(t, "--until-fail"), nil)
		yielded := make(chan job)
		go func() {
			defer close(yielded)
			for j := range r.all() {
				yielded <- j
			}
		}()
		<-yielded
		synctest.Wait()
		select {
		case <-yielded:
			t.Error("the next round has begun")
		default:
		}
		r.done(&record.Result{Outcome: record.Skip})
		_, more := <-yielded
		require.False(t, more)
	})
}

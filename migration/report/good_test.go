package report_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// besideGood writes the report of a doctored run that has the last good one beside it.
func besideGood(t *testing.T, change func(good *report.Good)) string {
	t.Helper()
	for _, k := range kinds() {
		if k.name != "halved statistic" {
			continue
		}
		good, err := record.Load(filepath.Join("testdata/runs", k.run))
		require.NoError(t, err)
		g := report.GoodOf(record.Judged(good))
		change(&g)
		text, err := json.Marshal(g)
		require.NoError(t, err)
		require.Less(t, len(text), report.MostOfGood)
		dir, result := k.make(t)
		require.NoError(t, os.WriteFile(filepath.Join(dir, report.GoodFile), text, 0o600))
		require.NoError(t, report.WriteRun(dir, result))
		_, part, found := strings.Cut(read(t, filepath.Join(dir, report.TextFile)), "6. Compared with the last good run\n")
		require.True(t, found)
		part, _, _ = strings.Cut(part, "\n7. ")
		return part
	}
	t.Fatal("there is no such kind")
	return ""
}

func TestComparisonListsOnlyWhatDiffersAndTheHostsLoad(t *testing.T) {
	text := besideGood(t, func(g *report.Good) {
		g.Host = &record.HostFacts{Slowdown: 1, LoadBefore: 0.5}
		g.Words[0] = append(g.Words[0], "-smp")
		g.Settings["max-bandwidth"] = "7"
	})
	require.Contains(t, text, "then load 0.5, 1.00 times as slow as a quiet one; now not measured")
	require.Regexp(t, `ram\.transferred +304,\d+,\d+ +152,\d+,\d+`, text)
	require.Regexp(t, `source's command line +-smp +none`, text)
	require.Regexp(t, `parameter max-bandwidth +7 `, text)
	for _, same := range []string{"ram.normal ", "downtime-limit", "statuses", "time of", "xbzrle"} {
		require.NotContains(t, text, same)
	}
}

func TestComparisonSaysWhereNothingDiffersAndWhereNothingWasKept(t *testing.T) {
	text := besideGood(t, func(g *report.Good) { g.Counters = nil })
	require.Contains(t, text, "nothing differs beyond noise")
	text = besideGood(t, func(g *report.Good) { g.Format = 99 })
	require.Contains(t, text, "no good run of this scenario on this pair of QEMUs was kept")
}

func TestGoodRunsAreToldApartByScenarioPairAndAccelerator(t *testing.T) {
	names := map[string]bool{}
	for _, change := range []func(r *record.Result){
		func(*record.Result) {},
		func(r *record.Result) { r.Scenario = "other" },
		func(r *record.Result) { r.Arch = "i386" },
		func(r *record.Result) { r.Record.Destination.Version = "11.1.3" },
		func(r *record.Result) { r.Record.Accel = "kvm: as asked for" },
	} {
		r := &record.Result{Scenario: "a", Arch: "x86_64", Record: &record.Record{
			Accel: "tcg: the default", Source: &record.SideFacts{Version: "10.0.13"}, Destination: &record.SideFacts{Version: "10.0.13"},
		}}
		change(r)
		names[report.GoodName(r)] = true
	}
	require.Len(t, names, 5)
}

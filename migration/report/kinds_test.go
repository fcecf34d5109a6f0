package report_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

var update = flag.Bool("update", false, "write the golden files again")

// A kind is a way to fail: a real run's folder, doctored.
type kind struct {
	name   string
	run    string // in testdata/runs
	doctor func(t *testing.T, dir string, r *record.Record)
	says   []string // in the first ten lines
}

func kinds() []kind {
	return []kind{
		{"lost pages", "precopy", losePages, []string{"every 50th page", "destination, RAM", "expected 81", "0x131000"}},
		{"hang in recovery", "recovery", hangInRecovery, []string{"postcopy-recover", "migration_rp_wait", "postcopy_do_resume", "return path", "source.diagnosis:3"}},
		{"halved statistic", "precopy", halveStatistic, []string{"source, statistics", "transferred 152.1 MB", "precopy-bytes + downtime-bytes = 304.1 MB", "0.50x"}},
		{"one channel", "multifd", oneChannel, []string{"multifd channels", "1 of 4 channels", "channel 3", "####"}},
		{"not resumed after cancel", "cancel", notResumed, []string{"source, vCPUs", "the guest is not resumed after migrate_cancel", "run state paused", "STOP at", "no RESUME"}},
		{"silent feature", "xbzrle", silentFeature, []string{"xbzrle: 0 pages encoded in 7 passes, expected at least 1,000 pages", "cache-miss 0: never tried", "capability xbzrle is on"}},
	}
}

// make copies the run and doctors its record.
func (k kind) make(t *testing.T) (dir string, result *record.Result) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "run")
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata/runs", k.run))))
	r, err := record.Load(dir)
	require.NoError(t, err)
	r.Host = nil // how busy ours was is none of the kind's
	k.doctor(t, dir, r)
	require.NoError(t, r.Save(dir))
	return dir, record.Judged(r)
}

func losePages(_ *testing.T, _ string, r *record.Record) {
	w := r.Workload
	w.Runs, w.More = nil, 0
	add := func(page, pages int, value byte) {
		if len(w.Runs) < record.MaxListed {
			w.Runs = append(w.Runs, record.Run{Address: w.Range.Start + uint64(page)*w.Stride, Pages: pages, Value: value})
		} else {
			w.More++
		}
	}
	for page := 0; page < w.Pages; page += 50 {
		add(page, min(49, w.Pages-page), 81)
		if page+49 < w.Pages {
			add(page+49, 1, 79)
		}
	}
}

func stopAt(r *record.Record, step string, seconds float64, failed string) {
	i := slices.IndexFunc(r.Steps, func(s record.StepFacts) bool { return s.Name == step })
	r.Steps = r.Steps[:i+1]
	r.Steps[i].Error, r.Steps[i].Seconds = failed, seconds
	r.Error = fmt.Sprintf("line %d: %s: %s", r.Steps[i].Line, step, failed)
	r.Seconds = 0
	for _, s := range r.Steps {
		r.Seconds += s.Seconds
	}
	r.Migration, r.Standstill, r.Life, r.Stand, r.Stillness, r.Workload, r.Memory, r.Teardown = nil, nil, nil, nil, nil, nil, nil, nil
	r.Devices, r.Measures, r.EarlierLives = nil, nil, nil
}

func hangInRecovery(t *testing.T, dir string, r *record.Record) {
	stopAt(r, "resume", 10.004, `timed out after 10s waiting for status postcopy-active on the source, whose run state is finish-migrate, and whose migration status is "postcopy-recover"`)
	cut := func(s *record.SideFacts) {
		i := slices.IndexFunc(s.Events, func(e record.EventFacts) bool { return strings.Contains(string(e.Data), "postcopy-recover\"") })
		s.Events = s.Events[:i+1]
	}
	cut(r.Source)
	cut(r.Destination)
	for _, side := range []string{"source.qmp", "destination.qmp"} {
		text, err := os.ReadFile(filepath.Join(dir, side))
		require.NoError(t, err)
		before, _, _ := strings.Cut(string(text), `"postcopy-recover"`)
		require.NoError(t, os.WriteFile(filepath.Join(dir, side), []byte(before[:strings.LastIndex(before, "\n")+1]), 0o600))
	}
	stacks := `QEMU's threads:

  Thread 3 (LWP 4711 "mig/src/main"):
  #0  0x00007f5e91aa672e in __futex_abstimed_wait_common () from /lib/x86_64-linux-gnu/libc.so.6
  #1  0x00007f5e91a9b388 in sem_wait () from /lib/x86_64-linux-gnu/libc.so.6
  #2  0x000055555cb133b0 in qemu_sem_wait (sem=0x55) at ../util/qemu-thread-posix.c:339
  #3  0x000055555cb133b1 in migration_rp_wait (s=0x55) at ../migration/migration.c:2134
  #4  0x000055555cb133b2 in postcopy_do_resume (s=0x55) at ../migration/migration.c:2700
  #5  0x000055555cb133b3 in postcopy_pause (s=0x55) at ../migration/migration.c:2790
  #6  0x000055555cb133b4 in migration_thread (opaque=0x55) at ../migration/migration.c:3500

  Thread 1 (LWP 4710 "qemu-system-x86"):
  #0  0x00007f5e91b0fdae in ppoll () from /lib/x86_64-linux-gnu/libc.so.6
  #1  0x000055555cb133b5 in main_loop_wait (nonblocking=0) at ../util/main-loop.c:600
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "source.diagnosis"), []byte(stacks), 0o600))
	r.Diagnosis = []string{"the source's run state is finish-migrate"}
}

// tell changes what the source reports of RAM, in the record.
func tell(r *record.Record, change func(reply, ram map[string]any)) {
	var reply map[string]any
	_ = json.Unmarshal(r.Migration.Source, &reply)
	ram, _ := reply["ram"].(map[string]any)
	change(reply, ram)
	r.Migration.Source, _ = json.Marshal(reply)
}

func halveStatistic(_ *testing.T, _ string, r *record.Record) {
	r.Migration.Bytes /= 2
	tell(r, func(_, ram map[string]any) { ram["transferred"] = r.Migration.Bytes })
}

func oneChannel(_ *testing.T, _ string, r *record.Record) {
	channels := r.Link.Connections[1:]
	for i := range channels {
		if i != 2 {
			channels[2].Forward += channels[i].Forward - 4096
			channels[i].Forward = 4096
		}
	}
	for i := range r.Measures {
		if r.Measures[i].What == "sent over the least used channel" {
			r.Measures[i].Value = 4096
		}
	}
}

func notResumed(_ *testing.T, _ string, r *record.Record) {
	life := r.EarlierLives[0]
	stopAt(r, "expect running", 5.003, "the source does not run: its status is paused")
	life.Running, life.Status, life.After, life.Seconds, life.Heartbeats = false, "paused", life.Before, 5.001, 0
	r.Life = &life
	r.Destination.Events = nil
	i := slices.IndexFunc(r.Source.Events, func(e record.EventFacts) bool { return strings.Contains(string(e.Data), "cancelling") })
	stop := record.EventFacts{Time: r.Source.Events[i].Time.Add(-time.Millisecond / 10), Name: "STOP"}
	r.Source.Events = append(slices.Insert(r.Source.Events[:i:i], i, stop), r.Source.Events[i:i+2]...)
	r.Source.Stderr = "qemu-system-x86_64: Unable to write to socket: Broken pipe\n"
}

func silentFeature(_ *testing.T, _ string, r *record.Record) {
	tell(r, func(reply, _ map[string]any) {
		cache, _ := reply["xbzrle-cache"].(map[string]any)
		for name := range cache {
			if name != "cache-size" {
				cache[name] = 0
			}
		}
	})
	for i := range r.Measures {
		if r.Measures[i].What == "XBZRLE-encoded pages" {
			r.Measures[i].Value = 0
		}
	}
}

func TestEachKindOfFailureIsNamedByTheReportsFirstTenLines(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			dir, result := k.make(t)
			require.Equal(t, record.Fail, result.Outcome)
			require.NoError(t, report.WriteRun(dir, result))
			text, err := os.ReadFile(filepath.Join(dir, report.TextFile))
			require.NoError(t, err)
			lines := strings.SplitAfter(string(text), "\n")
			first := strings.Join(lines[:min(len(lines), 10)], "")
			for _, word := range k.says {
				require.Contains(t, first, word)
			}
			require.NotContains(t, string(text), "0001-01-01")
			golden := filepath.Join("testdata/golden", strings.ReplaceAll(k.name, " ", "-")+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(first), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), first)
		})
	}
}

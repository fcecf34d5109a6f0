package steps_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
)

// TestFaultThatCanNotHappenIsRefused gives lines about faults, postcopy and limits wrong
// words, behind lines with which they would make sense.
func TestFaultThatCanNotHappenIsRefused(t *testing.T) {
	const before = "enable postcopy-ram\nboot\nlisten tcp\ntap\nmigrate\nmigrate-start-postcopy\nmigrate-recover\n"
	for line, want := range map[string]string{
		"fault":                             "a fault of the link is missing",
		"fault flop at 0":                   "did you mean flip?",
		"fault flip":                        "where the fault happens is missing",
		"fault flip at":                     "the place of a byte is missing",
		"fault flip at -1":                  `"-1" is not the place of a byte`,
		`fault flip after ""`:               "the text is empty",
		"fault cut connection 0 at 1":       "numbered from 1 to 1000",
		"fault cut connection 1000000 at 1": "numbered from 1 to 1000",
		"fault cut at 1 connection 2":       `"connection 2" is too much`,
		"cut connection 0":                  "numbered from 1 to 1000",
		"drop all-but 1001":                 "numbered from 1 to 1000",
		"hold replies -1":                   "not the number of a connection",
		"stall link for ever":               "not the duration of the stall",
		"limit link 0":                      "write stall link where nothing is to pass",
		"await fault":                       `makes no sense before "fault"`,
		"await fault-noticed failed":        `makes no sense before "fault"`,
		"expect ram-intact":                 `makes no sense before "fault"`,
		"await postcopy-paused":             `makes no sense before "fault"`,
		"await recovering":                  `makes no sense before "resume"`,
		"await postcopy-paused twice":       `"twice" is too much`,
		"both: pause recovery since 8.2":    "takes no both:",
		"expect requested-pages >= 1":       `makes no sense before "await switchover"`,
		"expect preempt-channel >= 16KiB":   `makes no sense before "enable postcopy-preempt"`,
		"expect channels-then-main":         `makes no sense before "enable multifd"`,
		"expect postcopy-blocktime":         `makes no sense before "enable postcopy-blocktime"`,
		"expect switchover-ack":             `makes no sense before "enable switchover-ack"`,
		"expect no-switchover passes x":     "not a number of passes",
		"expect downtime 5":                 "not a downtime",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			_, err := migration.Parse("x", "x", before+line+"\n", steps.Verbs())
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "x:8: ")
		})
	}
}

// TestStepWithoutWhatItNeedsSaysSo runs scenarios whose lines are in an order that may
// make sense, and do not.
func TestStepWithoutWhatItNeedsSaysSo(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no fault on the link":      {"boot\nlisten tcp\ntap\nmigrate\ncut link\nawait fault\n", "no fault was put on the link"},
		"a fault that is forgotten": {"boot\nlisten tcp\ntap\nmigrate\ncut link\nforget fault\nawait fault-noticed failed\n", "no fault has happened"},
		"no destination":            {"migrate tcp:127.0.0.1:1\nkill destination\nends without guest\n", "there is no destination yet"},
		"no bandwidth":              {"set downtime-limit 1ms\nboot\nlisten tcp\ntap\nmigrate\nexpect expected-downtime\n", "has no downtime limit, or no bandwidth"},
		"a switchover that happens": {
			"set downtime-limit 1m\nset max-bandwidth 1GB/s\nboot\nlisten tcp\ntap\nmigrate\nexpect no-switchover passes 9\n",
			"a downtime-limit of 1m0s at 1000 MB a second allows 60000 MB",
		},
		"a guest that has moved": {
			"set downtime-limit 1m\nset max-bandwidth 1GB/s\nboot\nlisten tcp\ntap\nmigrate\nlimit link 500MB/s\nawait switchover\nexpect no-switchover\n",
			"sent over a link of 500 MB/s",
		},
		"a source that runs": {
			"set downtime-limit 1ms\nset max-bandwidth 30MB/s\nboot\nlisten tcp\ntap\nmigrate\nawait status active\nkill destination\nexpect source-paused\n",
			"it runs a guest that has run on the destination",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := migration.Parse("x", "x", c.text, steps.Verbs())
			require.NoError(t, err)
			result, err := s.Run(t.Context(), migration.Options{Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(), Budget: time.Minute})
			require.NoError(t, err)
			require.Equal(t, record.Fail, result.Outcome, result.Reason)
			require.Contains(t, result.Record.Error, c.want)
		})
	}
}

// TestGoStepsKeepToTheSameRules demands of the constructors what the parser demands of
// lines.
func TestGoStepsKeepToTheSameRules(t *testing.T) {
	s := migration.Scenario{Name: "mine", Steps: migration.Steps{
		steps.Boot(), steps.Listen(steps.TCP), steps.Tap(),
		steps.InjectFault(steps.LinkFault{Do: steps.FaultFlip, After: "\x03ra"}), steps.Migrate(), steps.AwaitFault(),
	}}
	require.NoError(t, s.Check())
	require.Equal(t, `fault flip after "\x03ra" at 0`, s.Steps[3].Name)
	s.Steps = s.Steps[1:3]
	s.Steps = append(s.Steps, steps.AwaitFault())
	require.ErrorContains(t, s.Check(), `makes no sense before "fault"`)

	for name, bad := range map[string]steps.LinkFault{
		"no fault":      {},
		"no such fault": {Do: "burn"},
		"no connection": {Do: steps.FaultCut, Connection: 1 << 30},
		"no such byte":  {Do: steps.FaultCut, At: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := migration.Scenario{Name: "mine", Steps: migration.Steps{steps.Listen(steps.TCP), steps.Tap(), steps.InjectFault(bad)}}
			result, err := s.Run(t.Context(), migration.Options{Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir()})
			require.NoError(t, err)
			require.Equal(t, record.Fail, result.Outcome)
			require.Contains(t, result.Record.Error, "there is no ")
		})
	}
}

package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// sampled copies the run that has samples, and returns its record.
func sampled(t *testing.T) (dir string, r *record.Record) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "run")
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/runs/sampled")))
	r, err := record.Load(dir)
	require.NoError(t, err)
	return dir, r
}

func pageOf(t *testing.T, dir string, r *record.Record) string {
	t.Helper()
	require.NoError(t, r.Save(dir))
	require.NoError(t, report.WriteRun(dir, record.Judged(r)))
	return read(t, filepath.Join(dir, report.TextFile))
}

func TestEveryRunHasChartsOverTheTimeOfItsMigration(t *testing.T) {
	dir, r := sampled(t)
	text := pageOf(t, dir, r)
	for _, line := range []string{
		`The guest's heartbeat\n`,
		`Bytes sent\n  query-migrate \|.*\| at most 451\.3 MB.*\n  on the link +\|.*\| at most 451\.3 MB`,
		`RAM that is dirty and not sent \(remaining\)\n  remaining +\|.*\| at most 1\d\d\.\d MB, in the end 0 bytes`,
		`Pages that the guest dirties, as QEMU measures it\n  dirty rate +\|.*\| at most [\d,]+ pages a second`,
		`Throughput, and its limit\n  sent +\|.*\n  max-bandwidth +\|.*\| at most 400\.0 MB a second`,
		`Throttle of the guest's vCPUs \(auto-converge\)\n  throttle +\|.*\| at most 20 %`,
	} {
		require.Regexp(t, line, text)
	}
	r.Samples = nil // as in records of before they were there
	require.Contains(t, pageOf(t, dir, r), "Bytes sent\n", "the transcript has them too")
	require.NoError(t, os.Remove(filepath.Join(dir, "source.qmp")))
	require.NotContains(t, pageOf(t, dir, r), "Bytes sent\n")
}

func TestALimitIsShownOverTime(t *testing.T) {
	dir, r := sampled(t)
	r.Measures = append(r.Measures, record.Measure{What: "throttle of the vCPUs", Value: 20, Unit: "%", Bounds: record.AtLeast(50)})
	_, evidence, _ := strings.Cut(pageOf(t, dir, r), "what     ")
	evidence, _, _ = strings.Cut(evidence, "\n3. ")
	require.Contains(t, evidence, "measured 20 %, at least 50 %")
	require.Regexp(t, `Measured against its bound over time: throttle of the vCPUs\n  throttle of the vCPUs +\|.*\n  at least +\|`, evidence)
}

func TestRegistersOfADiagnosisAreInThePage(t *testing.T) {
	dir, r := sampled(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "source.diagnosis"), []byte("run state: running\nregisters:\n  CPU#0\n  EAX=055e3000\nQEMU's threads:\n  [New LWP 1]\n"), 0o600))
	require.Regexp(t, `source, the vCPUs' registers\n +3  +CPU#0\n +4  +EAX=055e3000\n`, pageOf(t, dir, r))
}

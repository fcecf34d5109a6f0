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

// FuzzPage writes the pages of folders as anybody may have made them: nothing breaks, and
// nothing that a terminal obeys is written.
func FuzzPage(f *testing.F) {
	for _, run := range []string{"precopy", "multifd", "xbzrle", "cancel", "recovery"} {
		var seed [5][]byte
		for i, name := range []string{"record.json", "source.qmp", "run.scenario", "source.console.cast"} {
			seed[i], _ = os.ReadFile(filepath.Join("testdata/runs", run, name))
		}
		f.Add(seed[0], seed[1], seed[2], seed[3], []byte("Thread 1 (LWP 1 \"mig\x1b[2J\"):\n#0  0x1 in migration_thread () from /lib/libc.so.6\n"))
	}
	f.Fuzz(func(t *testing.T, facts, qmp, scenario, cast, stacks []byte) {
		dir := t.TempDir()
		for name, text := range map[string][]byte{
			"record.json": facts, "source.qmp": qmp, "run.scenario": scenario, "source.console.cast": cast, "source.diagnosis": stacks, "destination.stderr": scenario,
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		}
		r, err := record.Load(dir)
		if err != nil {
			return
		}
		result := record.Judged(r)
		require.NoError(t, report.WriteRun(dir, result))
		for _, name := range []string{report.TextFile, report.HTMLFile} {
			text := read(t, filepath.Join(dir, name))
			require.NotContains(t, text, "explanation itself broke")
			require.NotContains(t, text, "\x1b")
		}
		var failure strings.Builder
		result.Dir = dir
		report.Print(&failure, result, 0, false)
		require.NotContains(t, failure.String(), "\x1b")
	})
}

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain lets this test's binary play a fake QEMU.
func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" && filepath.Base(os.Args[0]) == fakeName {
		os.Exit(play(mode, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// tortured makes one attempt with a script in drover's place, and returns the exit status
// and what was printed.
func tortured(t *testing.T, script string, args ...string) (int, string) {
	t.Helper()
	t.Chdir(filepath.Join("..", ".."))
	drover := filepath.Join(t.TempDir(), "drover")
	require.NoError(t, os.WriteFile(drover, []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	var out bytes.Buffer
	status := run(t.Context(), append([]string{"-drover", drover, "-qemu", "/bin/true", "-runs", "4"}, args...), &out, &out)
	return status, out.String()
}

// TestWhatDroverMustNotDoIsNoticed plays a drover that does it.
func TestWhatDroverMustNotDoIsNoticed(t *testing.T) {
	for _, c := range []struct{ script, only, witness string }{
		{"echo 'panic: oh'; exit 2", "records", "panic"},
		{"printf '\\033[2J'", "streams", "control character"},
		{"printf '\\377'", "streams", "no UTF-8"},
		{"exit 7", "scenarios", "exit status 7"},
		{"kill -SEGV $$", "scenarios", "segmentation fault"},
		{"exit 1", "scenarios", "refused without a word"},
		{"exit 1", "environments/0", "expected exit status [0]"},
		{"exit 2", "environments/7", `expected it to say "TMPDIR"`},
		{": >$TMPDIR/left", "environments/0", "left is left"},
		{"while [ $# -gt 1 ]; do [ $1 != -artifacts ] || mkdir -p $2/untold; shift; done", "environments/0", "nobody was told"},
		{"(sleep 3600 & exec 9>$DROVER_CACHE/lock; flock -n 9; exec sleep 3600) >/dev/null 2>&1 & exit 0", "environments/0", "processes are left"},
		{"exit 0", "qemus/0", "expected exit status [2]"},
	} {
		t.Run(c.only+" "+c.witness, func(t *testing.T) {
			status, printed := tortured(t, c.script, "-only", c.only)
			require.Equal(t, 1, status, printed)
			require.Contains(t, printed, c.witness)
			require.Contains(t, printed, "repeat it: go run ./tools/torture -qemu /bin/true -seed 1 -only ")
		})
	}
}

func TestWhatHoldsIsCounted(t *testing.T) {
	status, printed := tortured(t, "exit 0", "-only", "scenarios")
	require.Zero(t, status, printed)
	require.Contains(t, printed, "scenarios    4 attempts, 4 held, 0 failed (")
}

func TestUnknownKindIsAnError(t *testing.T) {
	status, printed := tortured(t, "exit 0", "-only", "records/x")
	require.Equal(t, 2, status)
	require.Contains(t, printed, "no attempt's number")
	status, printed = tortured(t, "exit 0", "-only", "nonsense")
	require.Equal(t, 2, status)
	require.Contains(t, printed, "the kinds are killing")
}

// TestSeedAndNumberGiveTheSameBytes, or a failure could not be repeated.
func TestSeedAndNumberGiveTheSameBytes(t *testing.T) {
	text := bytes.Repeat([]byte("await switchover within 15s\nset downtime-limit 1ms\n"), 40)
	for _, mutate := range []func(*attempt, []byte) []byte{mutateBytes, mutateLines} {
		seen := map[string]bool{}
		for number := range uint64(20) {
			one := mutate(&attempt{Rand: rand.New(rand.NewPCG(1, number))}, text)
			require.Equal(t, one, mutate(&attempt{Rand: rand.New(rand.NewPCG(1, number))}, text))
			seen[string(one)] = true
		}
		require.Greater(t, len(seen), 10)
	}
}

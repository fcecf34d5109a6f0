package probe_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher/probe"
)

// wrapper writes a script that does something and then becomes the binary.
func wrapper(t *testing.T, before, binary string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wrapper")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n%s\nexec '%s' \"$@\"\n", before, binary), 0o755))
	return path
}

func TestAScriptsOwnLinesAreNotTakenForQEMUs(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			t.Setenv("DROVER_CACHE", t.TempDir())
			plain, err := probe.Inspect(t.Context(), binary)
			require.NoError(t, err)
			talking := wrapper(t, `echo starting; echo 'Starting the machine now: {'; echo "  at once"; echo`, binary)
			info, err := probe.Inspect(t.Context(), talking)
			require.NoError(t, err)
			require.Equal(t, talking, info.Path)
			info.Path = plain.Path
			require.True(t, reflect.DeepEqual(plain, info), "%v, %d objects, %d machines, accelerators %q, doubts %q", info.Version, len(info.Objects), len(info.Machines), info.Accelerators, info.Doubts)

			machines, err := probe.Machines(t.Context(), talking)
			require.NoError(t, err)
			require.Equal(t, plain.Machines, machines)
			state, err := probe.VMState(t.Context(), binary, "pc")
			require.NoError(t, err)
			again, err := probe.VMState(t.Context(), talking, "pc")
			require.NoError(t, err)
			require.JSONEq(t, string(state), string(again))
		})
	}
}

func TestVersionIsLookedForAmongTheFirstLines(t *testing.T) {
	q := newFakeQEMU(t, "3.1.0", replies())
	for lines, found := range map[int]bool{0: true, 1: true, 19: true, 20: false, 1000: false} {
		info, err := probe.Binary(t.Context(), wrapper(t, fmt.Sprintf("seq -f 'line %%g' %d", lines), q.path))
		if found {
			require.NoError(t, err)
			require.Equal(t, 3, info.Version.Major)
			require.Equal(t, []string{"qtest", "secret"}, info.Objects)
			continue
		}
		require.ErrorAs(t, err, new(*probe.NotQEMUError))
		require.ErrorContains(t, err, ": its output: line 1", "the first line says what it is, not the last")
		require.NotContains(t, err.Error(), "line 2")
	}
}

func TestWhatABinaryLeavesInItsGroupIsKilled(t *testing.T) {
	for name, redirected := range map[string]string{"with its output": "", "silently": ">/dev/null 2>&1 </dev/null"} {
		t.Run(name, func(t *testing.T) {
			q := newFakeQEMU(t, "3.1.0", replies())
			pids := filepath.Join(t.TempDir(), "pids")
			path := wrapper(t, fmt.Sprintf("sleep 300 %s & echo $! >> '%s'", redirected, pids), q.path)
			began := time.Now()
			_, err := probe.Binary(t.Context(), path)
			require.NoError(t, err)
			require.Less(t, time.Since(began), time.Minute, "nobody waits for it")
			left, err := os.ReadFile(pids)
			require.NoError(t, err)
			require.Len(t, strings.Fields(string(left)), 2)
			for _, pid := range strings.Fields(string(left)) {
				require.Eventually(t, func() bool {
					status, err := os.ReadFile("/proc/" + pid + "/stat")
					return err != nil || strings.Contains(string(status), ") Z ")
				}, 5*time.Second, 10*time.Millisecond, "process %s still runs", pid)
			}
		})
	}
}

func TestOneQuestionToABinaryThatHangsAnswersAll(t *testing.T) {
	q := newFakeQEMU(t, "3.1.0", replies())
	count, hang := filepath.Join(t.TempDir(), "count"), filepath.Join(t.TempDir(), "hang")
	path := wrapper(t, fmt.Sprintf("test -e '%s' && { echo >> '%s'; exec sleep 3600; }", hang, count), q.path)
	var known probe.Known
	_, err := probe.Binary(t.Context(), path) // answers that are kept don't make it two
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(hang, nil, 0o600))
	var both sync.WaitGroup
	began := time.Now()
	for range 2 {
		both.Go(func() {
			_, err := known.Binary(t.Context(), path)
			if err == nil || !strings.Contains(err.Error(), "did not answer -version within 10s") {
				t.Errorf("%v", err)
			}
		})
	}
	both.Wait()
	require.Less(t, time.Since(began), 20*time.Second, "one after the other would take twice 10 s")
	asked, err := os.ReadFile(count)
	require.NoError(t, err)
	require.Len(t, asked, 1)
}

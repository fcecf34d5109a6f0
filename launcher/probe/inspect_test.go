package probe_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/qmp"
)

func TestEveryQEMUAnswersEverything(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			t.Setenv("DROVER_CACHE", t.TempDir())
			info, err := probe.Inspect(t.Context(), binary)
			require.NoError(t, err)
			require.Empty(t, info.Doubts)
			require.Equal(t, binary, info.Path)
			require.True(t, strings.HasPrefix(info.Version.String(), qemutest.Version(t, binary)+"."))
			require.Equal(t, "x86_64", info.Target)
			require.True(t, info.HasMachine("q35"))
			require.True(t, info.HasDevice("virtio-net-pci"))
			require.False(t, info.HasDevice("virtio-net"), "names with a suffix don't count as the short one")
			require.True(t, info.HasAccelerator("tcg"))
			require.True(t, info.HasObject("memory-backend-file"))
			require.Contains(t, info.Capabilities, "postcopy-ram")
			require.True(t, info.Features.QMPDescriptors)
			require.True(t, info.Features.OOB)
			require.Equal(t, info.HasObject("qtest"), info.Features.QTest)

			start := time.Now()
			again, err := probe.Inspect(t.Context(), binary)
			require.NoError(t, err)
			require.Equal(t, info, again)
			t.Logf("from the cache in %v", time.Since(start))
		})
	}
}

// A fakeQEMU is a script that answers the help options and counts how often it
// is asked for its machines.
type fakeQEMU struct {
	path, count string
}

func newFakeQEMU(t *testing.T, version, monitor string) fakeQEMU {
	t.Helper()
	t.Setenv("DROVER_CACHE", t.TempDir())
	q := fakeQEMU{path: filepath.Join(t.TempDir(), "qemu, a fake"), count: filepath.Join(t.TempDir(), "count")}
	q.write(t, version, monitor)
	return q
}

func (q fakeQEMU) write(t *testing.T, version, monitor string) {
	t.Helper()
	require.NoError(t, os.WriteFile(q.path, fmt.Appendf(nil, `#!/bin/sh
case $* in
-version) echo 'QEMU emulator version %s (a fake)';;
'-object help') printf 'List of user creatable objects:\n  secret\n  qtest\n';;
'-accel help') echo 'Possible accelerators: kvm, xen, hax, tcg';;
'-device help') printf 'Storage devices:\nname "b", bus PCI\n\nnewer:\nname "a"\n';;
'-machine help') echo >> '%s'; printf 'Supported machines are:\npc   a PC (alias of pc-1.0)\npc-1.0   a PC (default)\n';;
*) %s;;
esac
`, version, q.count, monitor), 0o755))
}

func (q fakeQEMU) asked(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(q.count)
	require.NoError(t, err)
	return len(data)
}

// replies is a monitor on descriptor 3 that answers what it is asked, in order.
func replies() string {
	return `reply() { read line <&3; id=${line##*'"id":'}; id=${id%%[,\}]*}; echo "{\"return\": $1, \"id\": $id}" >&3; }
	case $2$4 in *qtest*) exit 1;; esac
	echo '{"QMP": {"version": {"qemu": {"major": 3, "minor": 1, "micro": 0}, "package": ""}, "capabilities": []}}' >&3
	reply '{}'; reply '{"arch": "x86_64"}'; reply '[{"capability": "postcopy-ram", "state": false}]'; reply '[]'; reply '{}'; sleep 60`
}

func TestAnswersAreKeptUntilTheBinaryChanges(t *testing.T) {
	q := newFakeQEMU(t, "3.1.0", replies())
	first, err := probe.Inspect(t.Context(), q.path)
	require.NoError(t, err)
	require.Equal(t, probe.Info{
		Path:         q.path,
		Version:      qmp.Version{Major: 3, Minor: 1, Package: "a fake"},
		Objects:      []string{"qtest", "secret"},
		Target:       "x86_64",
		Machines:     []probe.Machine{{Name: "pc", Alias: "pc-1.0"}, {Name: "pc-1.0", Default: true}},
		Accelerators: []string{"kvm", "xen", "hax", "tcg"},
		Devices:      []string{"a", "b"},
		Capabilities: map[string]bool{"postcopy-ram": false},
		Features:     probe.Features{QTest: true, QMPDescriptors: true, Postcopy: true, TLS: true},
	}, first)
	again, err := probe.Inspect(t.Context(), q.path)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 1, q.asked(t))

	q.write(t, "3.1.1", replies())
	changed, err := probe.Inspect(t.Context(), q.path)
	require.NoError(t, err)
	require.Equal(t, 1, changed.Version.Micro)
	require.Equal(t, 2, q.asked(t))
}

func TestAScriptThatStartsAnotherQEMUIsAskedAgain(t *testing.T) {
	q := newFakeQEMU(t, "3.1.0", replies())
	stat, err := os.Stat(q.path)
	require.NoError(t, err)
	_, err = probe.Inspect(t.Context(), q.path)
	require.NoError(t, err)
	// As if what the script starts had been upgraded: the script looks the same.
	q.write(t, "4.2.0", replies())
	require.NoError(t, os.Chtimes(q.path, stat.ModTime(), stat.ModTime()))
	info, err := probe.Inspect(t.Context(), q.path)
	require.NoError(t, err)
	require.Equal(t, 4, info.Version.Major)
}

func TestABrokenCacheIsAskedAgain(t *testing.T) {
	q := newFakeQEMU(t, "3.1.0", replies())
	_, err := probe.Inspect(t.Context(), q.path)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(os.Getenv("DROVER_CACHE"), "drover/probe/*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	for _, text := range []string{"", "{", `{"key":{}}`, "null"} {
		require.NoError(t, os.WriteFile(files[0], []byte(text), 0o600))
		before := q.asked(t)
		info, err := probe.Inspect(t.Context(), q.path)
		require.NoError(t, err)
		require.Equal(t, "x86_64", info.Target)
		require.Equal(t, before+1, q.asked(t))
	}
}

func TestWithoutAPlaceForACacheItIsAskedEachTime(t *testing.T) {
	q := newFakeQEMU(t, "3.1.0", replies())
	t.Setenv("DROVER_CACHE", "/dev/null/none")
	for range 2 {
		_, err := probe.Inspect(t.Context(), q.path)
		require.NoError(t, err)
	}
	require.Equal(t, 2, q.asked(t))
}

func TestAQEMUWithoutAMonitorIsDoubtedAndNotKept(t *testing.T) {
	q := newFakeQEMU(t, "3.1.0", "echo no monitor here >&2; exit 3")
	for range 2 {
		info, err := probe.Inspect(t.Context(), q.path)
		require.NoError(t, err)
		require.Contains(t, info.Doubts, "it ended with exit status 3: its output: no monitor here")
		require.NotContains(t, info.Doubts, "\n")
		require.True(t, info.HasMachine("pc"))
	}
	require.Equal(t, 2, q.asked(t))
}

func TestACancelledInspectionLeavesNoProcess(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	q := newFakeQEMU(t, "3.1.0", "echo $$ >> '"+pids+"'; sleep 60 & echo $! >> '"+pids+"'; wait")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := probe.Inspect(ctx, q.path)
		ended <- err
	}()
	var started []string
	require.Eventually(t, func() bool {
		data, _ := os.ReadFile(pids)
		started = strings.Fields(string(data))
		return len(started) == 2
	}, 10*time.Second, 10*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Eventually(t, func() bool {
		for _, pid := range started {
			status, err := os.ReadFile("/proc/" + pid + "/stat")
			if err == nil && !strings.Contains(string(status), ") Z ") {
				return false
			}
		}
		return true
	}, 5*time.Second, 10*time.Millisecond)
}

func TestAnswersThatAnotherUserCouldHaveWrittenAreAskedAgain(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, file string){
		"everybody may write the file": func(t *testing.T, file string) { require.NoError(t, os.Chmod(file, 0o666)) },
		"everybody may write its folder": func(t *testing.T, file string) {
			require.NoError(t, os.Chmod(filepath.Dir(file), 0o777))
		},
		"it is a link": func(t *testing.T, file string) {
			require.NoError(t, os.Rename(file, file+"-elsewhere"))
			require.NoError(t, os.Symlink(file+"-elsewhere", file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := newFakeQEMU(t, "3.1.0", replies())
			_, err := probe.Inspect(t.Context(), q.path)
			require.NoError(t, err)
			files, err := filepath.Glob(filepath.Join(os.Getenv("DROVER_CACHE"), "drover/probe/*.json"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			spoil(t, files[0])
			_, err = probe.Inspect(t.Context(), q.path)
			require.NoError(t, err)
			require.Equal(t, 2, q.asked(t))
		})
	}
}

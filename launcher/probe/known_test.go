package probe_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/launcher/probe"
)

func TestKnownBinaryIsAskedOnce(t *testing.T) {
	t.Setenv("DROVER_CACHE", t.TempDir())
	dir := t.TempDir()
	path, count := filepath.Join(dir, "qemu"), filepath.Join(dir, "count")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `#!/bin/sh
case $* in
-version) echo >> '%s'; echo 'QEMU emulator version 7.2.22 (a fake)';;
'-object help') printf 'List of user creatable objects:\n  qtest\n';;
esac
`, count), 0o755))
	asked := func() int64 {
		info, err := os.Stat(count)
		require.NoError(t, err)
		return info.Size()
	}

	known := new(probe.Known)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			info, err := known.Binary(t.Context(), path)
			if err != nil || !info.HasObject("qtest") {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, asked())

	_, err := known.Binary(t.Context(), filepath.Join(dir, "missing"))
	require.ErrorContains(t, err, "does not exist")
	var none *probe.Known
	_, err = none.Binary(t.Context(), path)
	require.NoError(t, err)
	require.EqualValues(t, 2, asked(), "nil keeps nothing, and a script is asked again")
}

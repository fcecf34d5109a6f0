package probe_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/launcher/probe"
)

func TestADataFileIsInOneOfTheFoldersThatTheBinaryNames(t *testing.T) {
	folder := t.TempDir()
	binary, firmware := filepath.Join(folder, "qemu"), filepath.Join(folder, "bios.bin")
	require.NoError(t, os.WriteFile(binary, []byte("#!/bin/sh\n[ \"$*\" = '-L help' ] && echo /nowhere && echo "+folder+"\n"), 0o700))
	require.NoError(t, os.WriteFile(firmware, nil, 0o600))

	path, err := probe.DataFile(t.Context(), binary, "bios.bin")
	require.NoError(t, err)
	require.Equal(t, firmware, path)

	_, err = probe.DataFile(t.Context(), binary, "vars.bin")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "comes with no vars.bin")
}

package probe_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/drover-vm/drover/launcher/probe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatIsNoQEMUIsSaidInOneSentence(t *testing.T) {
	script := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	for _, test := range []struct{ name, path, reason string }{
		{"missing", "/nonexistent/qemu", "does not exist"},
		{"folder", t.TempDir(), "is a folder"},
		{"not executable", script("qemu", "#!/bin/sh\n", 0o644), "is not executable"},
		{"text", script("qemu", "hello\n", 0o755), "is not a program"},
		{"true", "/bin/true", "is not a QEMU"},
		{"sleep", "/bin/sleep", "is not a QEMU"},
		{"mute", script("qemu", "#!/bin/sh\nexec sleep 60\n", 0o755), "did not answer -version within 10s"},
		{"mute with a child", script("qemu", "#!/bin/sh\nsleep 60 & sleep 60\n", 0o755), "did not answer -version within 10s"},
		{"chatty", script("qemu", "#!/bin/sh\nexec yes\n", 0o755), "without end"},
		{"dying", script("qemu", "#!/bin/sh\necho libfoo.so: not found >&2; exit 127\n", 0o755), "libfoo.so: not found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := probe.Binary(t.Context(), test.path)
			notQEMU, ok := errors.AsType[*probe.NotQEMUError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, test.path, notQEMU.Path)
			require.Contains(t, err.Error(), test.reason)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, time.Since(start), 15*time.Second)
		})
	}
}

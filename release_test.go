package drover_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAVersionOfTheChangelogIsReleasedOnce, with what it brings and no more.
func TestAVersionOfTheChangelogIsReleasedOnce(t *testing.T) {
	script, err := filepath.Abs(".ci/release")
	require.NoError(t, err)
	folder := t.TempDir()
	there, here := filepath.Join(folder, "there"), filepath.Join(folder, "here")
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = here
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		cmd.Stderr = t.Output()
		out, err := cmd.Output()
		require.NoError(t, err, "%s %s", name, strings.Join(args, " "))
		return strings.TrimSpace(string(out))
	}
	commit := func(changelog string) string {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(here, "CHANGELOG.md"), []byte(changelog), 0o600))
		run("git", "add", ".")
		run("git", "-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "--message", "m")
		return run("git", "rev-parse", "HEAD")
	}
	notes := filepath.Join(folder, "notes.md")
	require.NoError(t, os.Mkdir(here, 0o700))
	run("git", "init", "--quiet", "--bare", there)
	run("git", "init", "--quiet", ".")
	run("git", "remote", "add", "origin", there)

	older := "\n## [0.1.0] - 2026-11-26\n\nold\n\n[Unreleased]: https://x\n"
	first := commit("# Changelog\n\n## [Unreleased]\n" + older)
	require.Equal(t, "v0.1.0", run(script, notes))
	require.Equal(t, first, run("git", "--git-dir", there, "rev-parse", "v0.1.0"))
	brings, err := os.ReadFile(notes)
	require.NoError(t, err)
	require.Equal(t, "old", strings.TrimSpace(string(brings)))
	require.Empty(t, run(script, notes), "it is released already")

	commit("# Changelog\n\n## [Unreleased]\n\nsoon\n" + older)
	require.Empty(t, run(script, notes), "nothing has a version")

	second := commit("# Changelog\n\n## [Unreleased]\n\nsoon\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\nnew\n" + older)
	require.Equal(t, "v0.2.0", run(script, notes))
	require.Equal(t, second, run("git", "--git-dir", there, "rev-parse", "v0.2.0"))
	brings, err = os.ReadFile(notes)
	require.NoError(t, err)
	require.Equal(t, "### Added\n\nnew", strings.TrimSpace(string(brings)))

	commit("# Changelog\n\n## [1.0] - 2027-01-01\n" + older)
	cmd := exec.Command(script, notes)
	cmd.Dir = here
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "not like 1.2.3")
}

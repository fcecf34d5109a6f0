package drover_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	modules "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// TestGoInstallNeedsNothingButTheModule: what `go install .../cmd/drover@latest` fetches is a
// zip file of the module, without the nested modules and what git has beside it. It is made
// here, served by a module proxy in a folder, and the command's packages are loaded from it:
// with a name that a zip may not have, or a file missing that is embedded, that fails.
func TestGoInstallNeedsNothingButTheModule(t *testing.T) {
	version := modules.Version{Path: module, Version: "v0.0.0-test"}
	proxy, user := t.TempDir(), t.TempDir()
	folder := filepath.Join(proxy, version.Path, "@v")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	var packed bytes.Buffer
	require.NoError(t, zip.CreateFromDir(&packed, version, "."))
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	parsed, err := modfile.Parse("go.mod", mod, nil)
	require.NoError(t, err)
	require.Empty(t, parsed.Replace, "go install refuses a module with a replace")
	require.Empty(t, parsed.Exclude, "go install refuses a module with an exclude")
	for name, content := range map[string][]byte{
		"list":                    []byte(version.Version + "\n"),
		version.Version + ".zip":  packed.Bytes(),
		version.Version + ".mod":  mod,
		version.Version + ".info": fmt.Appendf(nil, `{"Version": %q, "Time": %q}`, version.Version, time.Now().UTC().Format(time.RFC3339)),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}

	// The other modules are those of this module's own build, which are there already.
	cache := strings.TrimSpace(output(t, ".", nil, "go", "env", "GOMODCACHE"))
	require.NoError(t, os.WriteFile(filepath.Join(user, "go.mod"),
		fmt.Appendf(nil, "module user\n\ngo %s\n\nrequire %s %s\n\ntool %s/cmd/drover\n", parsed.Go.Version, version.Path, version.Version, version.Path), 0o600))
	env := []string{"GOFLAGS=-modcacherw -mod=mod", "GOMODCACHE=" + t.TempDir(), "GOSUMDB=off", "GOPROXY=file://" + proxy + ",file://" + filepath.Join(cache, "cache", "download")}
	packages := output(t, user, env, "go", "list", "-deps", "-f", "{{.ImportPath}} {{.EmbedFiles}}", version.Path+"/cmd/drover")
	require.Contains(t, packages, module+"/migration/scenarios [")
}

// output runs a command in a folder, with additions to the environment, and returns what it
// prints.
func output(t *testing.T, folder string, env []string, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir, command.Env = folder, append(os.Environ(), env...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), &stderr)
	return string(out)
}

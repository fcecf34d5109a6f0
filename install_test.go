package drover_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	version, env := published(t)
	user := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(user, "go.mod"),
		fmt.Appendf(nil, "module user\n\ngo %s\n\nrequire %s %s\n\ntool %s/cmd/drover\n", goMod(t).Go.Version, version.Path, version.Version, version.Path), 0o600))
	packages := output(t, user, append(env, "GOFLAGS=-modcacherw -mod=mod"), "go", "list", "-deps", "-f", "{{.ImportPath}} {{.EmbedFiles}}", version.Path+"/cmd/drover")
	require.Contains(t, packages, module+"/migration/scenarios [")
}

// TestGoGetOfTheREADMEIsEnoughForItsGo: in a new module, the Go of a section and its line
// with go get are all that a test needs. go get of the module alone would not be: it leaves
// out the checksums of what the module needs.
func TestGoGetOfTheREADMEIsEnoughForItsGo(t *testing.T) {
	version, env := published(t)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	sections := 0
	for _, section := range strings.Split(string(readme), "\n## ") {
		title, _, _ := strings.Cut(section, "\n")
		code := regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindStringSubmatch(section)
		if code == nil {
			continue
		}
		get := regexp.MustCompile(`(?m)^\$ go get (\S+)`).FindStringSubmatch(section)
		require.NotNil(t, get, "%q shows Go, and no go get", title)
		sections++
		user := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(user, "go.mod"), fmt.Appendf(nil, "module user\n\ngo %s\n", goMod(t).Go.Version), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(user, "user_test.go"), []byte(code[1]), 0o600))
		output(t, user, env, "go", "get", get[1])
		require.Equal(t, version.Path+" "+version.Version+"\n", output(t, user, env, "go", "list", "-m", version.Path), title)
		output(t, user, env, "go", "list", "-deps", "-test", ".")
	}
	require.Equal(t, 2, sections)
}

// published is this module as a proxy serves it, and the environment in which go fetches it:
// other modules come from the cache. Those of this module's own build are there already, and
// the go.mod of all others once go has had to read them.
func published(t *testing.T) (version modules.Version, env []string) {
	t.Helper()
	version = modules.Version{Path: module, Version: "v0.0.1"}
	proxy := t.TempDir()
	folder := filepath.Join(proxy, version.Path, "@v")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	var packed bytes.Buffer
	require.NoError(t, zip.CreateFromDir(&packed, version, "."))
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	require.Empty(t, goMod(t).Replace, "go install refuses a module with a replace")
	require.Empty(t, goMod(t).Exclude, "go install refuses a module with an exclude")
	for name, content := range map[string][]byte{
		"list":                    []byte(version.Version + "\n"),
		version.Version + ".zip":  packed.Bytes(),
		version.Version + ".mod":  mod,
		version.Version + ".info": fmt.Appendf(nil, `{"Version": %q, "Time": %q}`, version.Version, time.Now().UTC().Format(time.RFC3339)),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	output(t, ".", nil, "go", "mod", "graph")
	cache := strings.TrimSpace(output(t, ".", nil, "go", "env", "GOMODCACHE"))
	return version, []string{
		"GOFLAGS=-modcacherw", "GOMODCACHE=" + t.TempDir(), "GOSUMDB=off",
		"GOPROXY=file://" + proxy + ",file://" + filepath.Join(cache, "cache", "download"),
	}
}

func goMod(t *testing.T) *modfile.File {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	parsed, err := modfile.Parse("go.mod", text, nil)
	require.NoError(t, err)
	return parsed
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

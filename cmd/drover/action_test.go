package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A runner stands in for GitHub's: it runs the scripts of action.yml one after another, with
// a go and a drover that only write down what they are told.
type runner struct {
	home, log string
	inputs    map[string]string
	env       map[string]string
}

const standIn = `#!/bin/sh
case "$(basename "$0") $1" in "go env") echo "$HOME/go"; exit;; esac
case "$(basename "$0") $1" in "go install") cp "$0" "$HOME/go/bin/drover";; esac
printf '%s' "$(basename "$0")" >> "$LOG"
for word; do printf '\t%s' "$word" >> "$LOG"; done
echo >> "$LOG"
`

func newRunner(t *testing.T, inputs map[string]string) *runner {
	t.Helper()
	r := &runner{home: t.TempDir(), inputs: inputs}
	r.log = filepath.Join(r.home, "log")
	for _, folder := range []string{"bin", "go/bin", "temp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(r.home, folder), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(r.home, "bin", "go"), []byte(standIn), 0o755))
	top, err := filepath.Abs("../..")
	require.NoError(t, err)
	r.env = map[string]string{
		"HOME": r.home, "LOG": r.log, "GITHUB_ACTION_PATH": top, "GITHUB_PATH": filepath.Join(r.home, "paths"),
		"RUNNER_TEMP": filepath.Join(r.home, "temp"), "PATH": filepath.Join(r.home, "bin") + ":" + os.Getenv("PATH"),
	}
	return r
}

// run runs a script as a runner does, and then has the folders that it added in PATH.
func (r *runner) run(t *testing.T, step string) {
	t.Helper()
	_, script, _ := strings.Cut(step, "run: |\n")
	script = regexp.MustCompile(`(?m)^        `).ReplaceAllString(script, "")
	path := filepath.Join(r.home, "script.sh")
	require.NoError(t, os.WriteFile(path, []byte(script), 0o600))
	command := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-e", "-o", "pipefail", path)
	command.Dir = r.home
	for name, value := range r.env {
		command.Env = append(command.Env, name+"="+value)
	}
	for _, m := range regexp.MustCompile(`(?m)^        ([A-Z_]+): \$\{\{ inputs\.([a-z-]+) }}$`).FindAllStringSubmatch(step, -1) {
		value, ok := r.inputs[m[2]]
		require.True(t, ok, "there is no input %s", m[2])
		command.Env = append(command.Env, m[1]+"="+value)
	}
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s: %s", step, output)
	added, err := os.ReadFile(r.env["GITHUB_PATH"])
	require.NoError(t, err)
	r.env["PATH"] = strings.TrimSpace(string(added)) + ":" + r.env["PATH"]
}

// TestActionRunsWhatItsInputsSay: the scripts of action.yml, in their order.
func TestActionRunsWhatItsInputsSay(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash here, in which the action's scripts are written; install it")
	}
	text, err := os.ReadFile("../../action.yml")
	require.NoError(t, err)
	defaults := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+):\n    description: .*\n    default: "?(.*?)"?$`).FindAllStringSubmatch(string(text), -1) {
		defaults[m[1]] = m[2]
	}
	require.Equal(t, "x86_64", defaults["arch"])
	var steps []string
	for _, step := range strings.Split(string(text), "\n    - ")[1:] {
		if strings.Contains(step, "run: |\n") {
			steps = append(steps, step)
		}
	}
	require.Len(t, steps, 2)

	install := "go\tinstall\t./cmd/drover"
	always := "drover\trun\t--github\t--arch\tx86_64\t--artifacts\tTEMP/drover/artifacts\t--report\tTEMP/drover/report"
	for _, c := range []struct {
		name   string
		inputs map[string]string
		calls  []string
	}{
		{"no inputs", nil, []string{install, "drover\tfleet\tensure\tx86_64", always}},
		{"scenarios", map[string]string{"scenarios": "precopy  postcopy/*"}, []string{install, "drover\tfleet\tensure\tx86_64", always + "\tprecopy\tpostcopy/*"}},
		{
			"a QEMU, and a suite",
			map[string]string{"qemu": "build/qemu-system-x86_64", "scenarios": "--suite 10.0"},
			[]string{install, always + "\t--qemu\tbuild/qemu-system-x86_64\t--suite\t10.0"},
		},
		{
			"a QEMU on each side",
			map[string]string{"qemu-src": "a b/q", "qemu-dst": "q; exit 3"},
			[]string{install, always + "\t--qemu-src\ta b/q\t--qemu-dst\tq; exit 3"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inputs := maps.Clone(defaults)
			maps.Copy(inputs, c.inputs)
			require.Len(t, inputs, len(defaults), "an input that there is not")
			r := newRunner(t, inputs)
			for _, step := range steps {
				r.run(t, step)
			}
			log, err := os.ReadFile(r.log)
			require.NoError(t, err)
			calls := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(log), r.env["RUNNER_TEMP"], "TEMP")), "\n")
			require.Equal(t, c.calls, calls)
			for _, call := range calls {
				if words := strings.Split(call, "\t"); words[0] == "drover" {
					requireRight(t, "action.yml", words[1:])
				}
			}
		})
	}
}

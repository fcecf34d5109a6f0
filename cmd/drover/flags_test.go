package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// everyCommand calls visit with each that does something.
func everyCommand(c *cobra.Command, visit func(c *cobra.Command)) {
	if c.Runnable() {
		visit(c)
	}
	for _, next := range c.Commands() {
		everyCommand(next, visit)
	}
}

// TestLongFlagsMayHaveOneDash: as all had before drover's flags were those of other
// commands. It holds for a release.
func TestLongFlagsMayHaveOneDash(t *testing.T) {
	everyCommand((&session{}).root(), func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return // execute looks for it
			}
			typed, want := []string{"a", "-" + f.Name, "-v", "--", "-v"}, []string{"a", "--" + f.Name, "-v", "--", "-v"}
			require.Equal(t, want, doubleDashed(c.Flags(), typed), c.CommandPath())
			typed, want = []string{"-" + f.Name + "=-v"}, []string{"--" + f.Name + "=-v"}
			require.Equal(t, want, doubleDashed(c.Flags(), typed), c.CommandPath())
		})
	})
}

// TestFlagsOfTheLastReleaseAreUnderstood has each of them as it was typed, and what it
// sets today.
func TestFlagsOfTheLastReleaseAreUnderstood(t *testing.T) {
	const one = "run -arch x86_64 -qemu q -machine pc -accel tcg -artifacts d -suite 10.0 -keep -json -v -times -budget 1s -parallel 2 -src-args -S -dst-args -S"
	for _, line := range []string{
		one, strings.ReplaceAll(one, " -", " --"), // --v as well
		"run -qemu-src a -qemu-dst b -hold p", "run -fleet", "run -v=false -keep=true -suite=7.2 p -json",
		"list -v -json -suite 7.2 bad_dest", "verbs -markdown -", "vet f",
		"console -arch i386 -qemu q -machine pc -accel kvm -pty -for 1s -until x -record d incrementer",
		"matrix -arch x86_64 -machine q35 -accel tcg -artifacts d -scenarios a,b -json -v -parallel 2 -src-args -S -dst-args -S 7.2",
		"preflight -arch x86_64 -machine q35 -json -v -src-args -S -dst-args -S a b", "judge -json d",
		"inspect -json -v -offset 3 -", "fleet fetch -arch i386 7.2", "fleet list -json", "doctor -json",
	} {
		for _, behind := range []string{"", " -- -S -nonsense"} {
			if behind != "" && !strings.HasPrefix(line, "run") && !strings.HasPrefix(line, "console") {
				continue
			}
			var errs strings.Builder
			s := session{dry: true, stdout: &errs, stderr: &errs}
			require.Equal(t, exitOK, s.execute(t.Context(), strings.Fields(line+behind)), "%s: %s", line, &errs)
			require.Empty(t, errs.String(), line)
		}
	}
}

func TestValueOfAFlagIsNoFlag(t *testing.T) {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.String("until", "", "")
	set.Bool("json", false, "")
	set.BoolP("verbose", "v", false, "")
	for typed, want := range map[string]string{
		"-until -json -json":     "--until -json --json",
		"--until -json -json":    "--until -json --json",
		"-until=-json -json":     "--until=-json --json",
		"-v -json":               "-v --json",
		"--v=false":              "-v=false",
		"-nonsense":              "--nonsense",
		"- -json":                "- --json",
		"-json -- -json -v -x":   "--json -- -json -v -x",
		"-until -- x":            "--until",
		"a -until -- x":          "a --until",
		"-json -until":           "--json --until",
		"-vv":                    "-vv",
		"-verbose --verbose -v ": "--verbose --verbose -v",
	} {
		require.Equal(t, strings.Fields(want), doubleDashed(set, strings.Fields(typed)), typed)
	}
}

func FuzzCommandLineIsUnderstoodOrRefused(f *testing.F) {
	for _, line := range []string{"run\x00-qemu\x00x", "fleet\x00fetch\x00-arch", "--\x00-", "run\x00---=", "run\x00-v-\x00--=", "__complete\x00run\x00-"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		if isCompletion(args) {
			return // may ask a QEMU
		}
		var out strings.Builder
		s := session{dry: true, stdout: &out, stderr: &out}
		status := s.execute(t.Context(), args)
		require.True(t, status == exitOK || status == exitCannotRun && out.Len() > 0, "%d %q", status, args)
	})
}

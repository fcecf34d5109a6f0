package main

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestWordsAreSplitAsAShellDoes(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \t\n ", nil},
		{"-device e1000", []string{"-device", "e1000"}},
		{"  -a \t b\nc ", []string{"-a", "b", "c"}},
		{`-append 'root=/dev/sda "x" \n'`, []string{"-append", `root=/dev/sda "x" \n`}},
		{`-append "a  b \" \\ \$ \x 'c'"`, []string{"-append", `a  b " \ $ \x 'c'`}},
		{`a\ b\'c`, []string{"a b'c"}},
		{`pre"fix "'ed'`, []string{"prefix ed"}},
		{`'' ""`, []string{"", ""}},
		{"a\\\nb", []string{"ab"}},
		{"\"a\\\nb\"", []string{"ab"}},
		{`$HOME $(id) * ~ ; | > &`, []string{"$HOME", "$(id)", "*", "~", ";", "|", ">", "&"}}, // nothing is run
		{"ü 'ö ä'", []string{"ü", "ö ä"}},
	} {
		words, err := splitWords(c.text)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, words, "%q", c.text)
	}
	for _, text := range []string{`'`, `a "b`, `a 'b"`, `a\`, `"\`} {
		_, err := splitWords(text)
		require.Error(t, err, text)
	}
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`-a 'b c' "d\"e" f\ g`)
	f.Fuzz(func(t *testing.T, text string) {
		words, err := splitWords(text)
		total := 0
		for _, w := range words {
			total += len(w)
		}
		require.True(t, err != nil || total <= len(text))
	})
}

func TestArgumentsOfOneSideMayComeInPieces(t *testing.T) {
	var q qemuArgs
	set := pflag.NewFlagSet("drover run", pflag.ContinueOnError)
	q.flags(set)
	require.NoError(t, set.Parse(doubleDashed(set, []string{"-src-args", "-cpu max", "-dst-args=-cpu 'host,migratable=on'", "-src-args", "-S", "name", "--", "-m", "1G"})))
	require.Equal(t, 1, set.ArgsLenAtDash())
	require.Equal(t, "name", set.Arg(0))
	q.both = set.Args()[1:]
	require.Equal(t, qemuArgs{
		both: []string{"-m", "1G"}, source: []string{"-cpu", "max", "-S"}, destination: []string{"-cpu", "host,migratable=on"},
	}, q)
}

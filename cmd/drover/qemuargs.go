package main

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"github.com/drover-vm/drover/migration"
)

// qemuArgs are the arguments for QEMU on a command line.
type qemuArgs struct {
	both                []string // behind --
	source, destination []string // of --src-args and --dst-args
}

const splitUsage = "; `arguments` are split as a shell does, quotes and backslashes included; may be repeated"

// flags makes the flags for the arguments of one side.
func (q *qemuArgs) flags(set *pflag.FlagSet) {
	set.Func("src-args", "add to the source's command line"+splitUsage, appendTo(&q.source))
	set.Func("dst-args", "add to the destination's command line"+splitUsage, appendTo(&q.destination))
}

func appendTo(args *[]string) func(string) error {
	return func(text string) error {
		words, err := splitWords(text)
		*args = append(*args, words...)
		return err
	}
}

// assign hands them to a run, a matrix and a preflight alike. It is the one place where
// they become options.
func (q *qemuArgs) assign(o *migration.Options) {
	o.Args, o.SourceArgs, o.DestinationArgs = q.both, q.source, q.destination
}

// splitWords splits a text into words as a POSIX shell does, without expanding anything:
// blanks and newlines separate; between single quotes all stands for itself; between double
// quotes a backslash keeps ", \, $ and ` from their meaning, and elsewhere any character.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote byte
	begun := false // also by a pair of quotes with nothing in it
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quote != '\'':
			if i++; i == len(text) {
				return nil, errors.New("a backslash at the end")
			}
			if quote == '"' && !strings.ContainsRune("\"\\$`\n", rune(text[i])) {
				word.WriteByte(c)
			}
			begun = true
			if text[i] != '\n' {
				word.WriteByte(text[i])
			}
		case c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, begun = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if begun {
				words = append(words, word.String())
				word.Reset()
			}
			begun = false
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote that isn't closed")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/internal/plain"
)

// wantsHelp says whether -h is among the words before a --.
func wantsHelp(args []string) bool {
	for _, a := range args {
		switch a {
		case "-h", "-help", "--help":
			return true
		case "--":
			return false
		}
	}
	return false
}

// doubleDashed is args with each long flag behind two dashes, also where one was typed, as
// all were until drover's flags became those of other commands; --v becomes -v. What is the
// value of a flag, or stands behind --, stays as it is.
func doubleDashed(set *pflag.FlagSet, args []string) []string {
	args = slices.Clone(args)
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		word := args[i]
		if len(word) < 2 || word[0] != '-' {
			continue
		}
		name, _, valued := strings.Cut(strings.TrimPrefix(word[1:], "-"), "=")
		flag := set.Lookup(name)
		if flag == nil && len(name) == 1 {
			flag = set.ShorthandLookup(name)
		}
		switch single := word[1] != '-'; {
		case single && len(name) > 1 && (set.Lookup(name) != nil || !shorthands(set, name)):
			args[i] = "-" + word
		case !single && flag != nil && flag.Name != name:
			args[i] = word[1:]
		}
		if flag != nil && flag.NoOptDefVal == "" && !valued {
			if i++; i < len(args) && args[i] == "--" {
				return args[:i] // a -- is never a value
			}
		}
	}
	return args
}

// shorthands says whether a word is made of flags of one letter, as in -vh.
func shorthands(set *pflag.FlagSet, word string) bool {
	for i := range len(word) {
		if set.ShorthandLookup(word[i:i+1]) == nil {
			return false
		}
	}
	return true
}

// emptyFlag is the error of a flag that was given an empty text: a script whose variable
// is unset means something else than the default.
func emptyFlag(set *pflag.FlagSet) (err error) {
	set.Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && strings.TrimSpace(f.Value.String()) == "" {
			err = usageError(fmt.Sprintf("--%s must not be empty; leave it out for the default", f.Name))
		}
	})
	return err
}

// longestTime is the longest that a time on the command line may be.
const longestTime = 30 * 24 * time.Hour

// checkTime is the error of a time that a flag can't have.
func checkTime(name string, t time.Duration) error {
	switch {
	case t < 0:
		return usageError(fmt.Sprintf("--%s must not be negative, as %v is", name, t))
	case t > longestTime:
		return usageError(fmt.Sprintf("--%s must not be more than %v (30 days), as %v is", name, longestTime, t))
	}
	return nil
}

// mostParallel is how many scenarios run at a time at the most. Others wait for slots
// anyway (DROVER_SLOTS), of which a machine has fewer.
const mostParallel = 256

const parallelUsage = "`number` of scenarios at a time (default: as many as there are processors); no more than 256 are, nor than this machine has slots for (DROVER_SLOTS)"

// atATime is a flag's value: how many scenarios run at a time. Zero, which nobody can type, is as
// many as there are processors.
type atATime int

func (n *atATime) Type() string { return "int" }

func (n *atATime) String() string {
	if *n == 0 {
		return ""
	}
	return strconv.Itoa(int(*n))
}

func (n *atATime) Set(text string) error {
	typed, err := strconv.Atoi(text)
	if err == nil && typed < 1 {
		err = errors.New("it must be at least 1")
	}
	*n = atATime(min(typed, mostParallel))
	return err
}

func (n atATime) number() int {
	if n > 0 {
		return int(n)
	}
	return min(int(math.Ceil(host.Processors().Usable())), mostParallel)
}

// namesIn are the words of a flag that takes several, with commas or blanks between them.
// An empty one is an error, as is none.
func namesIn(name, text string) ([]string, error) {
	var words []string
	for word := range strings.SplitSeq(text, ",") {
		fields := strings.Fields(word)
		if len(fields) == 0 {
			return nil, usageError(fmt.Sprintf("--%s must not have an empty name, as %s has", name, quoted(text)))
		}
		words = append(words, fields...)
	}
	return words, nil
}

// usageError is a command line that can't be right.
type usageError string

func (e usageError) Error() string { return string(e) }

// flagError is what pflag found wrong with a command's flags.
type flagError struct {
	command *cobra.Command
	err     error
}

func (e *flagError) Error() string {
	if absent, ok := errors.AsType[*pflag.NotExistError](e.err); ok {
		name, dashes := absent.GetSpecifiedName(), "--"
		if absent.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		var names []string
		e.command.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, "--"+f.Name)
			}
		})
		return fmt.Sprintf("no flag %s%s", quoted(dashes+name), didYouMean("--"+name, names))
	}
	if wanting, ok := errors.AsType[*pflag.ValueRequiredError](e.err); ok {
		return fmt.Sprintf("flag --%s needs a value", wanting.GetFlag().Name)
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](e.err); ok {
		why := wrong.Unwrap()
		if number, ok := errors.AsType[*strconv.NumError](why); ok {
			why = number.Err
		}
		text := strings.TrimPrefix(why.Error(), "time: ")
		return plain.Cut(fmt.Sprintf("invalid value %s for flag --%s: %s", quoted(wrong.GetValue()), wrong.GetFlag().Name, text), longestFlagError)
	}
	return plain.Cut(e.err.Error(), longestFlagError)
}

// longestFlagError is how much is printed of what pflag found, in bytes: it quotes what it
// was given.
const longestFlagError = 300

// usageExit prints what is wrong with a command line, and returns the exit status.
func usageExit(err error, stderr io.Writer) int {
	complain(stderr, err)
	if wrong, ok := errors.AsType[*flagError](err); ok {
		fmt.Fprintf(stderr, "Run \"%s -h\" for usage.\n", wrong.command.CommandPath())
	}
	return exitCannotRun
}

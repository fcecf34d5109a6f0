package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// A command is one word after "drover": how it is declared, and what it does.
type command struct {
	*cobra.Command
	// check is the error of flags and words that can't be. It runs nothing. May be nil.
	check func(words []string) error
	// run does the work, and returns the exit status. What parents of others do is help.
	run action
	// behind gets what stands behind a --, where there is one. Where behind is nil, these
	// are words like others.
	behind *[]string
	// owns says that the command starts processes. When ctx ends it ends them, and is
	// waited for. A command that owns none needn't look at ctx.
	owns bool
	// below are the words that may follow. A command that has both these and run does its
	// own work where none of them follows.
	below []*command
}

// An action is what a command does with the words that are no flags.
type action func(ctx context.Context, words []string, stdin *os.File, stdout, stderr io.Writer) int

// commands are all of them, in the order in which help lists them. Each call makes new ones.
func commands() []*command {
	return []*command{
		runCommand(), listCommand(), vetCommand(), verbsCommand(), consoleCommand(), matrixCommand(),
		preflightCommand(), benchCommand(), judgeCommand(), reportCommand(), inspectCommand(), fleetCommand(), doctorCommand(),
		completionCommand(), versionCommand(), docsCommand(),
	}
}

// A session is one call of drover.
type session struct {
	stdin          *os.File
	stdout, stderr io.Writer
	dry            bool // nothing is run: only the command line is checked
	status         int  // of the command that has run
}

// root is the tree of all commands.
func (s *session) root() *cobra.Command {
	root := &cobra.Command{
		Use:                   "drover COMMAND [arguments]",
		Short:                 "move real guests between real QEMUs, and prove that nothing was lost",
		Long:                  "Drover moves real guests between real QEMUs, and proves that nothing was lost.",
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		DisableAutoGenTag:     true,
		CompletionOptions:     cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	shown := examples()
	root.Example = strings.Trim(shown[""], "\n")
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &flagError{c, err} })
	s.add(root, commands(), shown)
	return root
}

// add hangs commands below another, each with what is shown of it.
func (s *session) add(parent *cobra.Command, all []*command, shown map[string]string) {
	if len(all) > 0 { // help is for execute to print; here it is only a word that shells may offer
		parent.SetHelpCommand(&cobra.Command{Use: "help [COMMAND ...]", Short: "print what there is, or what a command does", Hidden: true})
	}
	for _, c := range all {
		c.DisableFlagsInUseLine, c.DisableAutoGenTag = true, true
		c.InitDefaultHelpFlag()
		c.Flags().Lookup("help").Usage = "print this"
		if c.run != nil {
			c.RunE = func(_ *cobra.Command, args []string) error { return s.do(c, args) }
		}
		parent.AddCommand(c.Command)
		c.Example = strings.Trim(shown[strings.TrimPrefix(c.CommandPath(), "drover ")], "\n")
		s.add(c.Command, c.below, shown)
	}
}

// do checks what the flags and words of a command are, and runs it.
func (s *session) do(c *command, words []string) error {
	if at := c.ArgsLenAtDash(); at >= 0 && c.behind != nil {
		*c.behind = append([]string{}, words[at:]...)
		words = words[:at]
	}
	if err := emptyFlag(c.Flags()); err != nil {
		return err
	}
	if c.check != nil {
		if err := c.check(words); err != nil {
			return err
		}
	}
	if !s.dry {
		s.status = c.start(c.Context(), words, s.stdin, s.stdout, s.stderr)
	}
	return nil
}

// execute does what the words after "drover" say, and returns the exit status.
func (s *session) execute(ctx context.Context, args []string) int {
	if len(args) > 0 && (args[0] == "--version" || args[0] == "-version") {
		args = append([]string{"version"}, args[1:]...)
	}
	root := s.root()
	c, rest, err := find(root, args)
	switch {
	case err != nil:
		return unknownCommand(s.stderr, err)
	case isCompletion(args): // a shell asks what may come next
		rest = args[:1]
		if line := args[1:]; len(line) > 0 {
			at, flags, _ := find(root, line[:len(line)-1])
			rest = append(append(rest, line[:len(line)-1-len(flags)]...), doubleDashed(at.Flags(), flags)...)
			rest = append(rest, line[len(line)-1])
		}
	case c.HasSubCommands() && !c.Runnable() && len(rest) == 0:
		help(s.stderr, c)
		return exitCannotRun
	case c.HasSubCommands() && len(rest) > 0 && isHelp(rest[0]): // others may follow
		c, _, err = find(c, slices.DeleteFunc(slices.Clone(rest), isHelp))
		if err != nil {
			return unknownCommand(s.stderr, err)
		}
		help(s.stdout, c)
		return exitOK
	case wantsHelp(rest):
		help(s.stdout, c)
		return exitOK
	default:
		rest = append(slices.Clone(args[:len(args)-len(rest)]), doubleDashed(c.Flags(), rest)...)
	}
	root.SetArgs(rest)
	if err := root.ExecuteContext(ctx); err != nil {
		return usageExit(err, s.stderr)
	}
	return s.status
}

// find follows words to a command, until one is a word for help, and returns the words
// that are left. The error is an *unknownCommandError.
func find(c *cobra.Command, words []string) (*cobra.Command, []string, error) {
	for c.HasSubCommands() && len(words) > 0 && !isHelp(words[0]) && !isCompletion(words) {
		i := slices.IndexFunc(c.Commands(), func(next *cobra.Command) bool { return next.Name() == words[0] || next.HasAlias(words[0]) })
		if i < 0 && c.Runnable() && strings.HasPrefix(words[0], "-") {
			return c, words, nil // a flag of its own
		}
		if i < 0 {
			return c, words, &unknownCommandError{c, words[0]}
		}
		c, words = c.Commands()[i], words[1:]
	}
	return c, words, nil
}

func isHelp(word string) bool {
	return word == "help" || word == "-h" || word == "-help" || word == "--help"
}

// isCompletion says whether a completion script asks, and nobody else.
func isCompletion(words []string) bool {
	return len(words) > 0 && (words[0] == cobra.ShellCompRequestCmd || words[0] == cobra.ShellCompNoDescRequestCmd)
}

// An unknownCommandError is a word that is no command.
type unknownCommandError struct {
	parent *cobra.Command
	word   string
}

func (e *unknownCommandError) Error() string {
	parent := ""
	if e.parent.HasParent() {
		parent = e.parent.Name() + " "
	}
	var names []string
	for _, c := range e.parent.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return fmt.Sprintf("no command %s%s%s", parent, quoted(e.word), didYouMean(e.word, names))
}

func unknownCommand(stderr io.Writer, err error) int {
	complain(stderr, err)
	path := "drover"
	if e, ok := err.(*unknownCommandError); ok {
		path = e.parent.CommandPath()
	}
	fmt.Fprintf(stderr, "Run \"%s help\" for a list of commands.\n", path)
	return exitCannotRun
}

// help prints how a command is used.
func help(w io.Writer, c *cobra.Command) {
	fmt.Fprintf(w, "usage: %s\n\n%s\n", c.UseLine(), c.Long)
	if c.HasAvailableSubCommands() {
		fmt.Fprintln(w)
		for _, next := range inOrderOfHelp(c) {
			if !next.Hidden {
				fmt.Fprintf(w, "  %-11s %s\n", next.Name(), next.Short)
			}
		}
	}
	if c.Example != "" {
		fmt.Fprintf(w, "\nexamples:\n%s\n", c.Example)
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nRun \"%s COMMAND -h\" for its flags.\n", c.CommandPath())
		if !c.Runnable() {
			return
		}
	}
	fmt.Fprintf(w, "\nflags:\n%s", c.Flags().FlagUsages())
}

// inOrderOfHelp are the commands below one in our own order: cobra sorts them by name.
func inOrderOfHelp(c *cobra.Command) []*cobra.Command {
	if c.HasParent() {
		return c.Commands()
	}
	var all []*cobra.Command
	for _, ours := range commands() {
		for _, next := range c.Commands() {
			if next.Name() == ours.Name() {
				all = append(all, next)
			}
		}
	}
	return all
}

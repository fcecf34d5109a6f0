package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
)

const completionText = `Prints a script that makes a shell complete drover's commands, flags, scenarios,
scenario files, QEMUs of the fleet, machine types and verbs.

In bash, for this shell or in ~/.bashrc, where the package bash-completion is installed:

    source <(drover completion bash)

In zsh, in ~/.zshrc behind compinit:

    source <(drover completion zsh)

In fish, for this shell or in ~/.config/fish/config.fish:

    drover completion fish | source`

func completionCommand() *command {
	scripts := map[string]func(root *cobra.Command, out io.Writer) error{
		"bash": func(root *cobra.Command, out io.Writer) error { return root.GenBashCompletionV2(out, true) },
		"zsh":  func(root *cobra.Command, out io.Writer) error { return root.GenZshCompletion(out) },
		"fish": func(root *cobra.Command, out io.Writer) error { return root.GenFishCompletion(out, true) },
	}
	shells := []string{"bash", "zsh", "fish"}
	c := &command{
		Command: &cobra.Command{
			Use:               "completion SHELL",
			Short:             "print a script that makes bash, zsh or fish complete drover's words",
			Long:              completionText,
			ValidArgsFunction: upTo(1, cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp)),
		},
		check: func(words []string) error {
			switch {
			case len(words) != 1:
				return usageError("completion takes one shell: bash, zsh or fish")
			case !slices.Contains(shells, words[0]):
				return usageError(fmt.Sprintf("no completion for the shell %s; there is bash, zsh and fish%s", quoted(words[0]), didYouMean(words[0], shells)))
			}
			return nil
		},
	}
	c.run = func(_ context.Context, words []string, _ *os.File, stdout, stderr io.Writer) int {
		return exitOf(scripts[words[0]](c.Root(), stdout), stderr)
	}
	return c
}

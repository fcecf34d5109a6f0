package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/steps"
)

const verbsText = `Prints what a scenario file can say: each verb with its arguments, a sentence and an
example. With words, only the verbs that have one of them in their name, or else in
what is said of them.`

func verbsCommand() *command {
	var markdown string
	c := &command{
		Command: &cobra.Command{
			Use:               "verbs [flags] [WORD ...]",
			Short:             "print what a scenario file can say",
			Long:              verbsText,
			ValidArgsFunction: verbWords,
		},
		run: func(_ context.Context, words []string, _ *os.File, stdout, stderr io.Writer) int {
			return printVerbs(words, markdown, stdout, stderr)
		},
	}
	c.Flags().StringVar(&markdown, "markdown", "", "write docs/scenarios.md, the page about scenario files, to that `file`; - is standard output")
	return c
}

func printVerbs(words []string, markdown string, stdout, stderr io.Writer) int {
	switch markdown {
	case "":
	case standardInput:
		return exitOf(writeScenarioPage(stdout), stderr)
	default:
		return exitOf(writeScenarioPageTo(markdown), stderr)
	}
	if len(words) == 0 {
		words = []string{""}
	}
	for _, word := range words {
		found := steps.Verbs().Matching(word)
		if len(found) == 0 {
			return complain(stderr, fmt.Errorf("no verb has to do with %q; run \"drover verbs\" for a list", word))
		}
		for _, verb := range found {
			printVerb(stdout, verb)
		}
	}
	return exitOK
}

func printVerb(out io.Writer, verb migration.Verb) {
	fmt.Fprintln(out, strings.TrimSpace(verb.Name+" "+verb.Args))
	text := verb.Doc
	if sides := sidesSentence(verb); sides != "" {
		text += " " + sides
	}
	for _, line := range wrap(text, 76) {
		fmt.Fprintln(out, "    "+line)
	}
	if verb.Args != "" || strings.Contains(verb.Example, ":") {
		fmt.Fprintln(out, "    e.g. "+verb.Example)
	}
}

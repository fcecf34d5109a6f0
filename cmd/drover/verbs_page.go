package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/steps"
)

// scenarioIntroduction is the part of docs/scenarios.md that people have written.
//
//go:embed scenarios.md
var scenarioIntroduction string

//go:generate go run . verbs --markdown ../../docs/scenarios.md

func writeScenarioPageTo(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(writeScenarioPage(f), f.Close())
}

// writeScenarioPage writes docs/scenarios.md.
func writeScenarioPage(out io.Writer) error {
	var page strings.Builder
	page.WriteString(scenarioIntroduction)
	var declarations, acts, waits, expectations migration.Vocabulary
	for _, verb := range steps.Verbs() {
		switch {
		case verb.Declare != nil:
			declarations = append(declarations, verb)
		case strings.HasPrefix(verb.Name, "await "):
			waits = append(waits, verb)
		case strings.HasPrefix(verb.Name, "expect "):
			expectations = append(expectations, verb)
		default:
			acts = append(acts, verb)
		}
	}
	writeVerbs(&page, "What the scenario needs, and how it is", declarations)
	writeVerbs(&page, "Acts", acts)
	writeVerbs(&page, "Waits", waits)
	writeVerbs(&page, "Expectations", expectations)
	_, err := io.WriteString(out, page.String())
	return err
}

func writeVerbs(page *strings.Builder, title string, verbs migration.Vocabulary) {
	fmt.Fprintf(page, "\n## %s\n", title)
	for _, verb := range verbs {
		text := verb.Doc
		if sides := sidesSentence(verb); sides != "" {
			text += " " + sides
		}
		fmt.Fprintf(page, "\n### `%s`\n\n%s\n\n    %s\n", strings.TrimSpace(verb.Name+" "+verb.Args), strings.Join(wrap(escapeMarkdown(text), 90), "\n"), verb.Example)
	}
}

// escapeMarkdown keeps what would be markup as it is.
func escapeMarkdown(text string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}

// sidesSentence says which prefixes a verb takes; "" for one that takes none.
func sidesSentence(verb migration.Verb) string {
	if len(verb.Sides) == 0 {
		return ""
	}
	meant := map[string]string{migration.SourceName: "the source", migration.DestinationName: "the destination", migration.BothName: "both sides"}[verb.Sides[0]]
	var prefixes []string
	for _, side := range verb.Sides {
		prefixes = append(prefixes, side+":")
	}
	return fmt.Sprintf("It is about %s; %s in front says so or changes it.", meant, strings.Join(prefixes, ", "))
}

// wrap breaks a text into lines.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

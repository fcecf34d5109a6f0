package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

//go:generate go run . docs --markdown ../../docs/cli --man ../../docs/man

const docsText = `Writes a page for each command, of what its -h prints: docs/cli as Markdown, docs/man
for man(1). What is in the folders and would be written anew is replaced; nothing else
is touched.`

func docsCommand() *command {
	var markdown, man string
	c := &command{
		Command: &cobra.Command{
			Use:               "docs [--markdown FOLDER] [--man FOLDER]",
			Short:             "write the pages about drover's commands",
			Long:              docsText,
			Hidden:            true,
			ValidArgsFunction: cobra.NoFileCompletions,
		},
		check: func(words []string) error {
			if len(words) > 0 || markdown+man == "" {
				return usageError("docs needs --markdown FOLDER or --man FOLDER, and takes no other words")
			}
			return nil
		},
		run: func(_ context.Context, _ []string, _ *os.File, _, stderr io.Writer) int {
			root := (&session{}).root()
			return exitOf(cmp.Or(writeMarkdown(root, markdown), writeMan(root, man)), stderr)
		},
	}
	c.Flags().StringVar(&markdown, "markdown", "", "write Markdown pages to that `folder`")
	c.Flags().StringVar(&man, "man", "", "write man pages to that `folder`")
	return c
}

// writeMarkdown writes a page a command to a folder, none where that is "".
func writeMarkdown(root *cobra.Command, folder string) error {
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return doc.GenMarkdownTree(root, folder)
}

// writeMan writes a page a command to a folder, none where that is "".
func writeMan(root *cobra.Command, folder string) error {
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return manPages(root, folder)
}

func manPages(c *cobra.Command, folder string) error {
	if c.Hidden {
		return nil
	}
	for _, below := range c.Commands() {
		if err := manPages(below, folder); err != nil {
			return err
		}
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "drover", Manual: "Drover", Date: &time.Time{}}
	var page bytes.Buffer
	if err := doc.GenMan(c, header, &page); err != nil {
		return err
	}
	// A page is the same whenever it is made.
	text := strings.Replace(page.String(), time.Time{}.Format(`"Jan 2006"`), `""`, 1)
	return os.WriteFile(filepath.Join(folder, name+".1"), []byte(text), 0o644)
}

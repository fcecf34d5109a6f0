package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *command {
	var asJSON bool
	c := &command{
		Command: &cobra.Command{
			Use:   "version [flags]",
			Short: "print which drover this is, and how it was built",
			Long: `Prints drover's version, the commit that it was built from and whether the files
differed from it, the version of Go, and the system that it was built for.`,
			ValidArgsFunction: cobra.NoFileCompletions,
		},
		check: func(words []string) error {
			if len(words) > 0 {
				return usageError("version takes no arguments")
			}
			return nil
		},
		run: func(_ context.Context, _ []string, _ *os.File, stdout, stderr io.Writer) int {
			b := buildOf(debug.ReadBuildInfo())
			if asJSON {
				return writeJSON(stdout, stderr, b)
			}
			fmt.Fprintln(stdout, b)
			return exitOK
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write one JSON object")
	return c
}

// A build is what the linker knows of this program.
type build struct {
	Version  string `json:"version"`            // of the module; "(devel)" where none was asked for
	Revision string `json:"revision,omitempty"` // the commit; "" where it was built without one
	Time     string `json:"time,omitempty"`     // of the commit, RFC 3339
	Modified bool   `json:"modified"`           // the files were not those of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"` // such as linux/amd64
}

// buildOf reads what debug.ReadBuildInfo returns.
func buildOf(info *debug.BuildInfo, ok bool) build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if !ok {
		return b
	}
	b.Version, b.Go = cmp.Or(info.Main.Version, b.Version), cmp.Or(info.GoVersion, b.Go)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	text := "drover " + b.Version
	switch {
	case b.Revision != "" && b.Modified:
		text += fmt.Sprintf(" (commit %s of %s, with changes)", b.Revision, b.Time)
	case b.Revision != "":
		text += fmt.Sprintf(" (commit %s of %s)", b.Revision, b.Time)
	}
	return text + " " + b.Go + " " + b.Platform
}

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/scenarios"
	"github.com/drover-vm/drover/migration/steps"
)

// standardInput is the argument that stands for it.
const standardInput = "-"

// isFile says whether an argument names a scenario file or a folder of them, and not
// scenarios of the catalogue: it is -, it ends with the extension, it begins as a path
// does, or it is a folder and the beginning of no scenario's name.
func isFile(argument string) bool {
	switch {
	case argument == standardInput, strings.HasSuffix(argument, scenarios.Extension):
		return true
	case strings.HasPrefix(argument, "/"), strings.HasPrefix(argument, "./"), strings.HasPrefix(argument, "../"), argument == ".", argument == "..":
		return true
	}
	for _, s := range scenarios.All() {
		if matches(argument, s.Name) {
			return false
		}
	}
	info, err := os.Stat(argument)
	return err == nil && info.IsDir()
}

// maxScenarioFile is more than a scenario file may have, in bytes.
const maxScenarioFile = 1<<20 + 1

// readScenarios reads the scenario files that the arguments name. What is wrong with one
// does not keep the others from being read; all of it is in the error.
func readScenarios(arguments []string, stdin io.Reader) (all []migration.Scenario, err error) {
	var wrong []error
	for _, argument := range arguments {
		found, err := readArgument(argument, stdin)
		all = append(all, found...)
		wrong = append(wrong, err)
	}
	return all, errors.Join(wrong...)
}

func readArgument(argument string, stdin io.Reader) ([]migration.Scenario, error) {
	if argument == standardInput {
		s, err := parseScenario("stdin", "standard input", stdin)
		return []migration.Scenario{s}, err
	}
	info, err := os.Stat(argument)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		s, err := readScenario(argument)
		return []migration.Scenario{s}, err
	}
	var all []migration.Scenario
	var wrong []error
	err = filepath.WalkDir(argument, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, scenarios.Extension) {
			return err
		}
		s, err := readScenario(path)
		all = append(all, s)
		wrong = append(wrong, err)
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("there is no file *%s in the folder %s", scenarios.Extension, argument)
	}
	return all, errors.Join(append(wrong, err)...)
}

// readScenario reads one file. It is named as its path, without the extension.
func readScenario(path string) (migration.Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return migration.Scenario{}, err
	}
	defer func() { _ = f.Close() }()
	name := strings.TrimSuffix(filepath.ToSlash(filepath.Clean(path)), scenarios.Extension)
	for strings.HasPrefix(name, "../") {
		name = name[len("../"):]
	}
	return parseScenario(strings.TrimPrefix(name, "/"), path, f)
}

func parseScenario(name, file string, from io.Reader) (migration.Scenario, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxScenarioFile))
	if err != nil {
		return migration.Scenario{}, err
	}
	return migration.Parse(name, file, string(text), steps.Verbs())
}

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// fileTime is how long a command may take over a small file on a busy machine.
const fileTime = 30 * time.Second

// sample reads one of the repository's files.
func (a *attempt) sample(patterns ...string) (name string, text []byte, err error) {
	var all []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(a.root, pattern))
		if err != nil {
			return "", nil, err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return "", nil, fmt.Errorf("no file matches %q: run it in the repository", patterns)
	}
	name = pick(a, all)
	text, err = os.ReadFile(name)
	return filepath.Base(name), text, err
}

// over has a command read a file that is written for it.
func (a *attempt) over(ctx context.Context, name string, text []byte, args ...string) (*outcome, error) {
	path := a.path(name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	return a.call(ctx, call{args: append(args, path), most: fileTime + time.Duration(len(text)>>20)*time.Second})
}

// evidence are facts without which no guest that has moved is proven to be whole. One
// that is gone, or no longer what it was, can't pass.
func evidence() []string {
	return []string{
		"/Life", "/Stand", "/Stillness", "/Workload", "/Memory", "/Migration", "/Teardown", "/Steps", "/Source", "/Destination",
		"/Workload/Range", "/Workload/Runs", "/Workload/Stride", "/Memory/Size", "/Memory/Compared", "/Stillness/Pages", "/Stillness/Status",
		"/Life/Before", "/Life/After", "/Stand/Status", "/Teardown/Exits", "/Source/Events", "/Destination/Events", "/Scenario", "/Arch", "/Format",
	}
}

func tryRecord(ctx context.Context, a *attempt) error {
	name, text, err := a.sample("migration/record/testdata/records/*.json")
	if err != nil {
		return err
	}
	changed, what := text, ""
	switch a.IntN(4) {
	case 0:
		changed, what = mutateBytes(a, text), "bytes changed"
	case 1:
		changed, what, err = removeEvidence(a, text)
	default:
		changed, what, err = mutateJSON(a, text)
	}
	if err != nil {
		return err
	}
	a.what, _, _ = strings.Cut(what, " /")
	o, err := a.over(ctx, "record.json", changed, "judge")
	if err != nil {
		return fmt.Errorf("%s, %s: %w", name, what, err)
	}
	if _, gone, ok := strings.Cut(what, "no more "); ok && o.status == 0 && strings.HasPrefix(o.stdout, "pass") {
		return fmt.Errorf("%s passes without %s", name, gone)
	}
	return nil
}

// removeEvidence takes away, or to nothing, one of the facts that a pass stands on.
func removeEvidence(a *attempt, text []byte) ([]byte, string, error) {
	document, all, err := placesIn(text)
	if err != nil {
		return nil, "", err
	}
	wanted := pick(a, evidence())
	for _, p := range all {
		if p.path != wanted {
			continue
		}
		if object, ok := p.in.(map[string]any); ok && a.IntN(2) == 0 {
			delete(object, p.key)
		} else {
			p.set(pick(a, []any{nil, 0, "", []any{}, map[string]any{}, -1}))
		}
		changed, err := encode(document)
		return changed, "no more " + wanted, err
	}
	return mutateJSON(a, text)
}

func tryScenario(ctx context.Context, a *attempt) error {
	name, text, err := a.sample("migration/scenarios/*.scenario", "migration/scenarios/*/*.scenario", "migration/scenarios/*/*/*.scenario")
	if err != nil {
		return err
	}
	changed := mutateLines(a, text)
	if a.what = "lines changed"; a.IntN(3) == 0 {
		changed, a.what = mutateBytes(a, text), "bytes changed"
	}
	if o, err := a.over(ctx, "s.scenario", changed, "vet"); err != nil {
		return fmt.Errorf("%s, %s: %w", name, a.what, err)
	} else if o.status != 0 && strings.TrimSpace(o.stderr) == "" {
		return fmt.Errorf("%s, %s: it is refused without a word: %v", name, a.what, o)
	}
	return nil
}

func tryStream(ctx context.Context, a *attempt) error {
	name, packed, err := a.sample("migration/stream/testdata/streams/*.gz")
	if err != nil {
		return err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		return err
	}
	changed := mutateBytes(a, text)
	if a.what = "bytes changed"; a.IntN(4) == 0 { // the end is where the description is
		tail := len(text) - 1 - a.IntN(min(len(text)-1, 64<<10))
		changed, a.what = append(bytes.Clone(text[:tail]), mutateBytes(a, text[tail:])...), "the end changed"
	}
	cut := a.IntN(8) == 0
	if cut {
		changed, a.what = text[:a.IntN(len(text)-1)], "cut"
	}
	o, err := a.over(ctx, "stream", changed, append([]string{"inspect"}, pick(a, [][]string{nil, {"-v"}, {"-json"}})...)...)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", name, a.what, err)
	}
	whole := !strings.Contains(name, "postcopy") && !strings.Contains(name, "multifd") // has an end of its own
	if cut && whole && o.status == 0 {
		return fmt.Errorf("%s, of which %d of %d bytes are left, is said to be sound: %v", name, len(changed), len(text), o)
	}
	return nil
}

package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/plain"
)

// File is the name under which a run's record lies among its artifacts.
const File = "record.json"

// What a record may be: one of a run is less than 100 KB, with a few thousand values.
const (
	maxBytes  = 64 << 20
	maxValues = 1 << 20
	maxDepth  = 64 // of JSON in JSON
	maxLegs   = 256
)

// Save writes the record among the artifacts in dir.
func (r *Record) Save(dir string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, File), append(text, '\n'), 0o600)
}

// Load reads the record of a saved run. Path is the run's folder, or the
// record itself, which is a regular file of at most 64 MiB.
//
// It takes a record for what it says, and nothing for granted: each key has to be a known
// one, written as Save writes it, and be there once; what Save always writes has to be
// there; there are as many legs, values, and levels of nesting as a run may have, and no
// more. The error says what is wrong, in which line and where in the record. It takes time
// and memory in proportion to the file.
func Load(path string) (*Record, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, File)
	}
	text, err := readRegular(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("record: no record: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("record: %s: %w", plain.Text(path), err)
	}
	return r, nil
}

// readRegular reads a regular file of bounded size. It does not wait for one that is none.
func readRegular(path string) ([]byte, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, irregular(path, info)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat() // another may stand there by now
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, irregular(path, info)
	case info.Size() > maxBytes:
		return nil, fmt.Errorf("%s has %d bytes, and a record has at most %d", plain.Text(path), info.Size(), maxBytes)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(text) > maxBytes {
		err = fmt.Errorf("%s has more than the %d bytes that a record has at most", plain.Text(path), maxBytes)
	}
	return text, err
}

func irregular(path string, info os.FileInfo) error {
	return fmt.Errorf("%s is no regular file (its mode is %s): copy what comes out of it into one", plain.Text(path), info.Mode())
}

// decode reads a record from its text.
func decode(text []byte) (*Record, error) {
	if err := valid(text); err != nil {
		return nil, err
	}
	wrong := check(text)
	var head struct{ Format *int }
	if err := json.Unmarshal(text, &head); err == nil && (head.Format == nil || *head.Format != Format) {
		had := 0
		if head.Format != nil {
			had = *head.Format
		}
		return nil, fmt.Errorf("it has format %d, and this drover judges format %d", had, Format)
	}
	if wrong != nil {
		return nil, wrong
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, located(text, err)
	}
	return &r, r.wellFormed()
}

// valid says whether the text is JSON.
func valid(text []byte) error {
	var syntax *json.SyntaxError
	var any json.RawMessage
	switch err := json.Unmarshal(text, &any); {
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", line(text, int(syntax.Offset)), err)
	default:
		return err
	}
}

// located adds to an error of encoding/json where it is.
func located(text []byte, err error) error {
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("line %d: %s: %.60s does not fit there (%s)", line(text, int(kind.Offset)), kind.Field, kind.Value, kind.Type)
	}
	return err
}

// wellFormed says what no run's record has.
func (r *Record) wellFormed() error {
	if !slices.Contains(endings(), r.Ends) {
		return at("Ends", "there is no ending %q: they are %q", r.Ends, endings())
	}
	if err := wellKnown("Gathers", r.Gathers); err != nil {
		return err
	}
	for i, leg := range r.Legs {
		where := fmt.Sprintf("Legs[%d].", i)
		switch {
		case len(leg.Legs) > 0:
			return at(where+"Legs", "a leg has no legs")
		case leg.Ends != OnDestination:
			return at(where+"Ends", "it is %q, and a leg's guest has moved", leg.Ends)
		case leg.Format != Format:
			return at(where+"Format", "it is %d, and the record's is %d", leg.Format, Format)
		}
		if err := wellKnown(where+"Gathers", leg.Gathers); err != nil {
			return err
		}
	}
	return nil
}

// wellKnown says which of the facts there is not.
func wellKnown(where string, facts []Fact) error {
	for i, f := range facts {
		if _, known := factDocs[f]; !known {
			return at(fmt.Sprintf("%s[%d]", where, i), "there is no fact %q", f)
		}
	}
	return nil
}

// at is an error about that part of a record.
func at(where, format string, args ...any) error {
	return fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...))
}

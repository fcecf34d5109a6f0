package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/drover-vm/drover/migration/record"
)

// Summary writes the first two parts of a run's report: what came of it, and the evidence
// that decides. The run's folder may be "", where none was kept: the record alone tells then.
func Summary(w io.Writer, dir string, result *record.Result) {
	if result.Record == nil {
		return
	}
	own := *result
	own.Dir = dir
	writeText(w, pageOf(readFor(&own), result).Sections[:2], 0)
}

// readFor reads what lies in the result's folder, where it has one.
func readFor(r *record.Result) *Folder {
	if r.Dir == "" {
		return &Folder{Record: r.Record, source: &logs{name: "source"}, dest: &logs{name: "destination"}}
	}
	return readBeside(r.Dir, r.Record)
}

// WriteRun writes report.txt and report.html into a run's folder, in place of those that
// are there. They are a pure function of the folder and of the result, which is that of the
// folder's record. A result without a record, as of a scenario that was skipped, leaves no
// report. Each file is complete or not there.
func WriteRun(dir string, result *record.Result) error {
	if result.Record == nil {
		return nil
	}
	p := pageOf(readBeside(dir, result.Record), result)
	var text, html bytes.Buffer
	writeText(&text, p.Sections[:2], 0)
	writeText(&text, p.Sections[2:], 3)
	if err := writeHTML(&html, p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{TextFile, text.Bytes()}, {HTMLFile, html.Bytes()}} {
		if err := replaceFile(filepath.Join(dir, file.name), file.text); err != nil {
			return fmt.Errorf("report: %w; is the folder writable, and the disk not full?", err)
		}
	}
	return nil
}

// replaceFile writes a file that only its owner reads, as the rest of a run's folder. What
// stood there is replaced at once, a link too.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".report*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

package coverage

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// Recorded is the schema of one QEMU of the fleet.
type Recorded struct {
	Version string // such as 10.0
	Schema  *schema.Schema
}

const recordedExtension = ".json.gz"

// longest is that of a schema, in bytes: QEMU 11.1's is a quarter of a megabyte.
const longest = 16 << 20

// ReadRecorded reads every file VERSION.json.gz of a folder, a reply to query-qmp-schema, in
// the order of their versions. A folder without any is an error.
func ReadRecorded(folder fs.FS) (fleet []Recorded, err error) {
	files, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		version, ok := strings.CutSuffix(f.Name(), recordedExtension)
		if !ok {
			continue
		}
		s, err := readSchema(folder, f.Name())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		fleet = append(fleet, Recorded{Version: version, Schema: s})
	}
	if len(fleet) == 0 {
		return nil, errors.New("there is no recorded schema, VERSION" + recordedExtension)
	}
	slices.SortFunc(fleet, func(a, b Recorded) int { return slices.Compare(numbers(a.Version), numbers(b.Version)) })
	return fleet, nil
}

// numbers are those of a version, so that 10.0 is newer than 7.2.
func numbers(version string) (all []int) {
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part)
		all = append(all, n)
	}
	return all
}

func readSchema(folder fs.FS, name string) (*schema.Schema, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, longest))
	if err != nil {
		return nil, err
	}
	return schema.Parse(text)
}

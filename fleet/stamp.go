package fleet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// stampFormat changes when the layout of a copy does; a copy of another
// format is fetched anew.
const stampFormat = 1

// stampName is the file that is written into a copy last.
const stampName = "stamp.json"

// A stamp says what a copy is.
type stamp struct {
	Format   int       `json:"format"`
	Suite    string    `json:"suite"`
	Package  string    `json:"package"`
	Arches   []string  `json:"arches"` // the architectures that it has a binary for
	Fetched  time.Time `json:"fetched"`
	Packages []string  `json:"packages"` // the files that it was unpacked from
}

// readStamps returns the stamps of the copies in a suite's folder. A copy
// that isn't complete has none.
func readStamps(suiteFolder string) []stamp {
	copies, _ := os.ReadDir(suiteFolder)
	var stamps []stamp
	for _, entry := range copies {
		data, err := os.ReadFile(filepath.Join(suiteFolder, entry.Name(), stampName))
		if err != nil {
			continue
		}
		var s stamp
		if json.Unmarshal(data, &s) == nil && s.Format == stampFormat && s.Package == entry.Name() {
			stamps = append(stamps, s)
		}
	}
	return stamps
}

// fetched returns a suite's private copy for an architecture.
func (f Fleet) fetched(suite, arch string) (Binary, bool) {
	folder, err := f.Folder()
	if err != nil {
		return Binary{}, false
	}
	wrapper := filepath.Join(folder, suite, "bin", binaryName(arch))
	if !executable(wrapper) || !slices.ContainsFunc(readStamps(filepath.Join(folder, suite)), func(s stamp) bool {
		return slices.Contains(s.Arches, arch)
	}) {
		return Binary{}, false
	}
	return Binary{Arch: arch, Path: wrapper, Origin: "fleet", Suite: suite}, true
}

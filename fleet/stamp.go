package fleet

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
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
	// Sizes are those of its files, by their paths in it. Copies that were made before
	// there were any have none.
	Sizes map[string]int64 `json:"sizes,omitempty"`
}

// readStamps returns the stamps of the copies in a suite's folder. A copy
// that isn't complete has none.
func readStamps(suiteFolder string) []stamp {
	copies, _ := os.ReadDir(suiteFolder)
	var stamps []stamp
	for _, entry := range copies {
		if s, ok := readStamp(suiteFolder, entry.Name()); ok {
			stamps = append(stamps, s)
		}
	}
	return stamps
}

// readStamp returns the stamp of one copy, named after its package.
func readStamp(suiteFolder, name string) (s stamp, ok bool) {
	data, err := os.ReadFile(filepath.Join(suiteFolder, name, stampName))
	if err != nil || json.Unmarshal(data, &s) != nil {
		return stamp{}, false
	}
	return s, s.Format == stampFormat && s.Package == name
}

// sizesBelow returns the sizes of the regular files below a folder.
func sizesBelow(root string) (map[string]int64, error) {
	sizes := make(map[string]int64)
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			sizes[toSlash(root, file)] = info.Size()
		}
		return err
	})
	return sizes, err
}

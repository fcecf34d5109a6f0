package guest

import (
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// keptFor is how long what was built is kept after it was used last: each drover, kernel and set
// of devices has files of its own in the cache, and those of former ones would stay for good.
const keptFor = 30 * 24 * time.Hour

// cached reports whether a file is in the cache, and notes that it was used.
func cached(name string) bool {
	if !exists(name) {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(name, now, now) // else it may be built again some day
	return true
}

// built are the names of what is built, and of what a build that was killed has left: the folder
// may be one that others keep things in.
var built = regexp.MustCompile(`^((init|initrd)-\w+-[0-9a-f]{16}|\.(build|new)-\d+)$`)

// dropUnused removes what nobody has used for that long. What can't be removed stays.
func dropUnused(cache string) {
	entries, _ := os.ReadDir(cache) // what can't be read is not removed
	for _, e := range entries {
		if info, err := e.Info(); err == nil && built.MatchString(e.Name()) && time.Since(info.ModTime()) > keptFor {
			_ = os.RemoveAll(filepath.Join(cache, e.Name()))
		}
	}
}

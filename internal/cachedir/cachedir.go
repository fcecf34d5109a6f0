// Package cachedir says where drover keeps what it can make again.
package cachedir

import (
	"fmt"
	"os"
	"path/filepath"
)

// Folder returns the absolute path of drover's folder in $DROVER_CACHE, or in
// the user's cache folder where that is unset. It need not exist. The error
// says that the environment names none.
func Folder(getenv func(string) string) (string, error) {
	cache := getenv("DROVER_CACHE")
	if cache == "" {
		var err error
		if cache, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("no cache folder: %w; set DROVER_CACHE to a folder with 300 MB of room", err)
		}
	}
	absolute, err := filepath.Abs(cache)
	if err != nil {
		return "", fmt.Errorf("the cache folder %s: %w", cache, err)
	}
	return filepath.Join(absolute, "drover"), nil
}

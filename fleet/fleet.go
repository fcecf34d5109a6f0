package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/drover-vm/drover/internal/cachedir"
)

// A Fleet finds and fetches QEMUs. Its zero value works, with the process's
// environment. Its methods may be called from several goroutines, and several
// processes, at once.
type Fleet struct {
	// Env reads the environment. Nil is os.Getenv.
	//
	// Beside what [Find] reads, DROVER_CACHE moves the folder of the private
	// copies, and DROVER_DEBIAN_MIRROR names the mirror from which other
	// releases of Debian are fetched; unset, it is the host's own.
	Env func(string) string

	// Progress is called with how fetching goes, from one goroutine at a time. Nil
	// calls nobody.
	Progress func(Progress)

	// system is the root under which the host's own files (etc/os-release,
	// etc/apt) are read: "" is "/". Tests have one of their own.
	system string
}

func (f Fleet) getenv(name string) string {
	if f.Env == nil {
		return os.Getenv(name)
	}
	return f.Env(name)
}

// path returns where one of the host's own files is.
func (f Fleet) path(parts ...string) string {
	return filepath.Join(append([]string{"/", f.system}, parts...)...)
}

// Folder returns the folder of the private copies; it need not exist. The
// error says that the environment names none.
func (f Fleet) Folder() (string, error) {
	cache, err := cachedir.Folder(f.getenv)
	if err != nil {
		return "", err
	}
	// The loader separates folders by these, apt's configuration quotes with
	// that, and neither knows an escape.
	if i := strings.IndexAny(cache, ":;\"\n"); i >= 0 {
		return "", fmt.Errorf("the cache folder %q has a %q in its name, which the loader's search path can't hold; set DROVER_CACHE to another", cache, cache[i])
	}
	return filepath.Join(cache, "fleet"), nil
}

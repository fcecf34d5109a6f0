package launcher

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/drover-vm/drover/internal/owned"
)

// NameRoom is how many bytes the name of a socket in a PrivateFolder may have.
const NameRoom = 32

// maxPrivatePath is how long a PrivateFolder's path may be.
const maxPrivatePath = maxSocketPath - len("/") - NameRoom

// baseName is the folder in which a user's private folders stand.
func baseName() string { return fmt.Sprintf("drover-%d", os.Getuid()) }

// longestRandom is as long as what os.MkdirTemp makes up.
const longestRandom = "4294967295"

// temporaryFolder returns the absolute path of the folder for temporary files, which
// TMPDIR names. The error says what is wrong with it, and names TMPDIR.
func temporaryFolder() (string, error) {
	path, err := filepath.Abs(os.TempDir())
	if err != nil {
		return "", aboutTMPDIR(os.TempDir(), err)
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a folder")
	}
	if err != nil {
		return "", aboutTMPDIR(path, err)
	}
	return path, nil
}

// aboutTMPDIR says that the folder for temporary files can't be used, and why.
func aboutTMPDIR(path string, err error) error {
	named := "the folder for temporary files is " + printable(path)
	if os.Getenv("TMPDIR") != "" {
		named = "TMPDIR is " + printable(path)
	}
	return fmt.Errorf("%s, which can't be used: %w; set TMPDIR to a folder that this user may write", named, err)
}

// otherPlaces are where private folders stand if the folder for temporary files
// can't hold them. Those that are usually on a disk come first: a migration's stream
// may be written there.
func otherPlaces() []string {
	places := []string{"/tmp", "/var/tmp", os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm"}
	return slices.DeleteFunc(places, func(p string) bool { return !filepath.IsAbs(p) })
}

// fits says why a place can't hold private folders as their paths have to be.
func fits(place string) error {
	longest := filepath.Join(place, baseName(), longestRandom)
	if len(longest) > maxPrivatePath {
		return fmt.Errorf("%s is too long: the path of a socket in it would have more than %d bytes", place, maxSocketPath)
	}
	if !isPlain(place) {
		return fmt.Errorf("%q has characters that QEMU's options, its monitor or a shell would not take as they are", place)
	}
	return nil
}

// isPlain reports whether a path has only characters that mean themselves wherever a path
// is written: in an option of QEMU's, in JSON, in a line of its human monitor, in a
// shell.
func isPlain(path string) bool {
	return utf8.ValidString(path) && !strings.ContainsFunc(path, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("/._-+@~:", c)
	})
}

// ours says why somebody else could change what a place holds.
func ours(place string) error { return owned.CheckAbove(place) }

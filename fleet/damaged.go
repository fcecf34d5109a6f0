package fleet

import (
	"archive/tar"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/drover-vm/drover/internal/ended"
)

// A damagedError says that a package file can't be unpacked.
type damagedError struct {
	file string // its name among the archives
	err  error
}

func (e *damagedError) Error() string { return "unpacking " + e.file + ": " + e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

// damaged returns the files of those packages whose content isn't what the mirror's
// list says. apt-get looks at the size only of what it has downloaded before.
func (a apt) damaged(ctx context.Context, debs []deb) ([]string, error) {
	var bad []string
	for _, d := range debs {
		if ctx.Err() != nil {
			return nil, ended.By(ctx)
		}
		same, err := d.same(filepath.Join(a.archives(), d.file))
		if err != nil {
			return nil, err
		}
		if !same {
			bad = append(bad, d.file)
		}
	}
	return bad, nil
}

// same reports whether a file has the hash that it should have. Of one without a hash
// that is known here it is taken for granted: unpacking it will tell.
func (d deb) same(file string) (bool, error) {
	name, digits, _ := strings.Cut(d.hash, ":")
	var sum hash.Hash
	switch name {
	case "SHA512":
		sum = sha512.New()
	case "SHA256":
		sum = sha256.New()
	case "SHA1":
		sum = sha1.New()
	case "MD5Sum":
		sum = md5.New()
	default:
		return true, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err := io.Copy(sum, f); err != nil {
		return false, err
	}
	return hex.EncodeToString(sum.Sum(nil)) == strings.ToLower(digits), nil
}

// broken reports whether an error in unpacking is the package's fault, and not the
// disk's.
func broken(err error) bool {
	return errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)
}

// twiceDamaged is the error where fetching packages again has not helped.
func twiceDamaged(suite string, files []string, err error) error {
	reason := strings.Join(files, ", ") + " is not what the mirror's list says"
	if err != nil {
		reason = err.Error()
	}
	return &FetchError{
		Release: suite, Step: "unpack", Err: err,
		Reason: fmt.Sprintf("%s; it was fetched twice", reason),
		Remedy: "the mirror or a proxy on the way has a damaged file: try another network, or for Debian's releases another mirror with DROVER_DEBIAN_MIRROR",
	}
}

// Package owned tells the files that only this user and root can change from
// those that somebody else could put in their place, and reads, writes and makes
// files among the former only.
//
// A program that runs as root with another user's HOME, or with a cache folder
// that everybody may write, would else truncate, create or execute what that
// user has chosen.
package owned

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// An Error says that somebody else could change what a path leads to.
type Error struct {
	Path   string // the file, folder or link on the way that is not safe
	Reason string // goes on after the path: "belongs to the user eve"
}

func (e *Error) Error() string { return e.Path + " " + e.Reason }

// Check returns nil where nobody but this user and root can change what a path
// leads to: the path's own file or folder, each folder on the way, and each link
// on the way has to belong to this user or to root, and none may be writable by
// others. A folder on the way may be writable by everybody where it is sticky,
// as /tmp is. The group of this user alone (with the user's own number) is not
// another's. The error is an *Error, or the system's.
//
// In a user namespace that doesn't know all users, those it doesn't know can't be
// told apart, and count as root.
func Check(path string) error { return check(path, false) }

// CheckInfo is Check of a file, folder or link alone, of which info is known, without
// the folders on the way to it.
func CheckInfo(path string, info fs.FileInfo) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return checkOwner(path, info)
	}
	return checkOne(path, info, false)
}

// CheckAbove is Check for a folder in which this user makes folders: it may be
// writable by everybody where it is sticky, as /tmp is.
func CheckAbove(path string) error { return check(path, true) }

// maxLinks is how many symbolic links are followed, as in the kernel.
const maxLinks = 40

func check(path string, lastMayBeSticky bool) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	const root = string(filepath.Separator)
	links, at, rest := 0, root, split(absolute)
	info, err := os.Lstat(root)
	if err != nil {
		return err
	}
	if err := checkOne(root, info, len(rest) > 0 || lastMayBeSticky); err != nil {
		return err
	}
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..": // of a link: what lies before it has no links any more
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if err := checkOne(next, info, len(rest) > 0 || lastMayBeSticky); err != nil {
				return err
			}
			at = next
			continue
		}
		if links++; links > maxLinks {
			return &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		}
		if err := checkOwner(next, info); err != nil {
			return err
		}
		target, err := os.Readlink(next)
		if err != nil {
			return err
		}
		if filepath.IsAbs(target) {
			at = root
		}
		rest = append(split(target), rest...)
	}
	return nil
}

func split(path string) []string { return strings.Split(path, string(filepath.Separator)) }

// checkOne checks what is no link.
func checkOne(path string, info fs.FileInfo, mayBeSticky bool) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	const groupMayWrite, othersMayWrite = 0o020, 0o002
	mode := info.Mode()
	switch {
	case info.IsDir() && mode&fs.ModeSticky != 0 && mayBeSticky:
		return nil
	case mode&othersMayWrite != 0:
		return &Error{path, fmt.Sprintf("can be written by everybody (%v)", mode)}
	case mode&groupMayWrite != 0 && !ownGroup(info):
		return &Error{path, fmt.Sprintf("can be written by its group (%v)", mode)}
	}
	return nil
}

func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return &Error{path, "has no owner that this system knows"}
	}
	uid := int(stat.Uid)
	if uid == os.Geteuid() || uid == 0 || uid == unknownUser() {
		return nil
	}
	name := "number " + strconv.Itoa(uid)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	return &Error{path, "belongs to the user " + name}
}

// ownGroup reports whether a file's group is that of this user alone, which many
// systems give every user, under the user's own number.
func ownGroup(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Gid) == os.Getegid() && os.Getegid() == os.Geteuid()
}

// unknownUser is the number under which a user namespace shows the users that it
// doesn't know, -1 where it knows all.
var unknownUser = sync.OnceValue(func() int {
	known, err := os.ReadFile("/proc/self/uid_map")
	const all = "4294967295"
	if fields := bytes.Fields(known); err != nil || len(fields) == 3 && string(fields[2]) == all {
		return -1
	}
	text, err := os.ReadFile("/proc/sys/kernel/overflowuid")
	if err != nil {
		return -1
	}
	uid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return -1
	}
	return uid
})

// MkdirAll makes a folder with those above it, as os.MkdirAll does, where only this
// user and root can change them: nothing is made in anybody else's. The folder
// itself may be there already, and is checked as by Check.
func MkdirAll(path string, mode fs.FileMode) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		if err := Check(path); err != nil {
			return err
		}
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
		}
		return nil
	}
	above := path
	for !exists(above) {
		above = filepath.Dir(above)
	}
	if err := CheckAbove(above); err != nil {
		return err
	}
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	return Check(path) // also where somebody else was faster
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

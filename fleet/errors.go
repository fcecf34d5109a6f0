package fleet

import (
	"fmt"
	"strings"
)

// A FetchError says why a release, or a part of it, could not be fetched.
type FetchError struct {
	Release string // the suite
	Step    string // "sources", "lists", "packages", "download", "unpack" or "check"
	Reason  string
	Remedy  string // one clause; may be ""
	Err     error  // the cause, where one was returned: a context's, the system's
}

func (e *FetchError) Error() string {
	text := "fetching QEMU"
	if e.Release != "" {
		text += " from " + e.Release
	}
	text += ": " + e.Reason
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

func (e *FetchError) Unwrap() error { return e.Err }

// explainApt turns what apt-get printed when it failed into one sentence and a
// way out.
func explainApt(output string) (reason, remedy string) {
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(output, part) {
				return true
			}
		}
		return false
	}
	const (
		unsigned = "its signature can't be checked with the keys of this system: "
		renew    = "bring them up to date with: sudo apt install debian-archive-keyring"
	)
	switch {
	case has("No space left on device"):
		return "the disk is full: " + aptLine(output), "make room, or set DROVER_CACHE to a folder that has 500 MB"
	case has("NO_PUBKEY", "Missing key", "EXPKEYSIG", "KEYEXPIRED", "BADSIG", "Sub-process /usr/bin/sqv returned"):
		return unsigned + aptLine(output), renew
	case has("Hash Sum mismatch", "File has unexpected size"):
		return "what the mirror sends is not what its list says: " + aptLine(output),
			"it may be in the middle of an update: try again, or name another mirror with DROVER_DEBIAN_MIRROR"
	case has("Temporary failure resolving", "Could not resolve", "Something wicked happened resolving"):
		return "the mirror's name can't be resolved: " + aptLine(output), "is this machine connected? A proxy is named by http_proxy or in apt's configuration"
	case has("Could not connect", "Unable to connect", "Connection failed", "Network is unreachable", "connection timed out", "Connection timed out", "Connection refused"):
		return "the mirror can't be reached: " + aptLine(output), "is this machine connected? A proxy is named by http_proxy or in apt's configuration"
	case has("Failed to fetch", "404  Not Found", "404 Not Found", "does not have a Release file", "no longer has a Release file"):
		return "the mirror doesn't carry it: " + aptLine(output),
			"old releases move to http://archive.debian.org/debian: name that, or another mirror, with DROVER_DEBIAN_MIRROR"
	case has("is not signed", "couldn't be verified", "could not be verified"):
		return unsigned + aptLine(output), renew
	case has("Unable to locate package", "has no installation candidate", "Couldn't find any package"):
		return "its package lists don't have the package: " + aptLine(output), "look at the host's apt sources (on Ubuntu some are in universe)"
	}
	return "apt-get failed: " + aptLine(output), ""
}

// aptLine returns the most telling line of what apt printed: its first
// error, else its first warning, else its last line.
func aptLine(output string) string {
	last := ""
	for _, prefix := range []string{"E: ", "W: ", ""} {
		for line := range strings.Lines(output) {
			line = strings.TrimSpace(line)
			if line == "" {
				continue
			}
			if text, ok := strings.CutPrefix(line, prefix); ok && prefix != "" {
				return strings.TrimSpace(text)
			}
			last = line
		}
	}
	if last == "" {
		return "it printed nothing"
	}
	return last
}

// A TooLittleRoomError says that a file system has no room for a copy.
type TooLittleRoomError struct {
	Folder       string
	Needed, Free int64 // bytes
}

func (e *TooLittleRoomError) Error() string {
	return fmt.Sprintf("%s has %d MB free where about %d MB are needed; make room, or set DROVER_CACHE to another folder",
		e.Folder, e.Free>>20, e.Needed>>20)
}

// Package procfs sees from outside what a process holds and does: its threads, its open
// files, its children, what it reads and writes (proc(5)).
package procfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Resources are what a process holds.
type Resources struct {
	Threads, Files []string // their names, sorted
	Resident       int64    // bytes of anonymous memory
}

// ResourcesOf looks at what a process holds. Threads and files that it may keep, or that
// come and go, are left out by skip.
func ResourcesOf(pid int, skipThread, skipFile func(name string) bool) (r Resources, err error) {
	if r.Threads, err = ThreadNames(pid); err != nil {
		return r, err
	}
	r.Threads = slices.DeleteFunc(r.Threads, skipThread)
	folder := fmt.Sprintf("/proc/%d/", pid)
	open, err := os.ReadDir(folder + "fd")
	if err != nil {
		return r, err
	}
	for _, descriptor := range open {
		if to, err := os.Readlink(folder + "fd/" + descriptor.Name()); err == nil && !skipFile(to) {
			r.Files = append(r.Files, to)
		}
	}
	slices.Sort(r.Threads)
	slices.Sort(r.Files)
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		return r, err
	}
	_, after, _ := strings.Cut(string(status), "RssAnon:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after + " 0")[0], 10, 64)
	r.Resident = kilobytes << 10
	return r, err
}

// ThreadNames are those of a process's threads, cut to 15 bytes, as the kernel has them.
func ThreadNames(pid int) ([]string, error) {
	folder := fmt.Sprintf("/proc/%d/task/", pid)
	tasks, err := os.ReadDir(folder)
	var names []string
	for _, task := range tasks {
		if name, err := os.ReadFile(folder + task.Name() + "/comm"); err == nil {
			names = append(names, strings.TrimSpace(string(name)))
		}
	}
	return names, err
}

// HasOpen reports whether a process has one of the files open.
func HasOpen(pid int, files []os.FileInfo) (bool, error) {
	folder := fmt.Sprintf("/proc/%d/fd/", pid)
	open, err := os.ReadDir(folder)
	for _, entry := range open {
		have, err := os.Stat(folder + entry.Name())
		if err == nil && slices.ContainsFunc(files, func(f os.FileInfo) bool { return os.SameFile(have, f) }) {
			return true, nil
		}
	}
	return false, err
}

// A Use is how a process uses a file at one moment.
type Use struct {
	Descriptors, Direct int               // that it has of the file, and those of them with O_DIRECT
	Moved               map[string]uint64 // bytes that each thread has read or written in all, by its number
}

// Counters of a thread's file /proc/PID/task/TID/io.
const (
	Read    = "rchar"
	Written = "wchar"
)

// UseOf sees which descriptors of a file a process has, and what those of its threads
// have moved whose name begins with one of the prefixes.
func UseOf(pid int, file os.FileInfo, prefixes []string, counter string) (Use, error) {
	found := Use{Moved: map[string]uint64{}}
	var err error
	if found.Descriptors, found.Direct, err = descriptorsOf(pid, file); err != nil {
		return found, err
	}
	folder := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(folder)
	for _, task := range tasks {
		name, _ := os.ReadFile(filepath.Join(folder, task.Name(), "comm")) // a thread may end meanwhile
		if !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(string(name), prefix) }) {
			continue
		}
		io, _ := os.ReadFile(filepath.Join(folder, task.Name(), "io"))
		if n := field(string(io), counter, 10); n > 0 {
			found.Moved[task.Name()] = n
		}
	}
	return found, err
}

// descriptorsOf counts those that a process has of a file, and those of them that go
// past the page cache.
func descriptorsOf(pid int, file os.FileInfo) (all, direct int, err error) {
	folder := fmt.Sprintf("/proc/%d", pid)
	open, err := os.ReadDir(folder + "/fd")
	for _, entry := range open {
		have, err := os.Stat(folder + "/fd/" + entry.Name())
		if err != nil || !os.SameFile(have, file) {
			continue
		}
		all++
		info, _ := os.ReadFile(folder + "/fdinfo/" + entry.Name())
		if field(string(info), "flags", 8)&unix.O_DIRECT != 0 {
			direct++
		}
	}
	return all, direct, err
}

// field is a number out of the lines of a file in /proc.
func field(text, name string, base int) uint64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(value), base, 64)
			return n
		}
	}
	return 0
}

// SharedMappings are the files, by device and inode, that a process has mapped in a piece
// of that size, for others to see.
func SharedMappings(pid int, size uint64) (files []string, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	for line := range strings.Lines(string(maps)) {
		var from, to, offset, inode uint64
		var access, device string
		if _, err := fmt.Sscanf(line, "%x-%x %s %x %s %d", &from, &to, &access, &offset, &device, &inode); err != nil {
			return nil, fmt.Errorf("/proc/%d/maps: %q: %w", pid, line, err)
		}
		if to-from == size && inode != 0 && strings.HasSuffix(access, "s") {
			files = append(files, fmt.Sprintf("%s %d", device, inode))
		}
	}
	return files, err
}

// Listens reports whether somebody listens on the UNIX socket with that path. Of the
// flags in /proc/net/unix, 0x10000 is __SO_ACCEPTCON.
func Listens(path string) (bool, error) {
	const flags, name = 3, 7
	sockets, err := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(sockets)) {
		if f := strings.Fields(line); len(f) > name && f[name] == path && f[flags] == "00010000" {
			return true, err
		}
	}
	return false, err
}

// SharedFiles are the files that a process has mapped for others to see and to write, in
// pieces of at least that size: their paths, by device and inode.
func SharedFiles(pid int, least uint64) (map[string]string, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	files := map[string]string{}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[4] == "0" || !strings.HasSuffix(fields[1], "s") || !strings.Contains(fields[1], "w") {
			continue
		}
		var from, to uint64
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err == nil && to-from >= least {
			files[fields[3]+" "+fields[4]] = strings.Join(fields[5:], " ")
		}
	}
	return files, err
}

// WithoutHugePages is how many bytes a process has in mappings of at least that size of which
// the kernel makes no huge pages, since the process said so (madvise, MADV_NOHUGEPAGE).
func WithoutHugePages(pid int, least uint64) (bytes uint64, err error) {
	err = eachMapping(pid, func(size uint64, fields []string) error {
		if fields[0] == "VmFlags:" && size >= least && slices.Contains(fields, "nh") {
			bytes += size
		}
		return nil
	})
	return bytes, err
}

// ResidentOf is how many bytes of its mappings of exactly that size a process has in memory. Zero
// pages, which all share, are not among them. It is an error where there is no such mapping.
func ResidentOf(pid int, exactly uint64) (bytes uint64, err error) {
	found := false
	err = eachMapping(pid, func(size uint64, fields []string) error {
		if fields[0] != "Rss:" || size != exactly {
			return nil
		}
		resident, err := kibibytes(fields)
		bytes, found = bytes+resident, true
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("/proc/%d/smaps: no mapping of %d bytes", pid, exactly)
	}
	return bytes, err
}

// eachMapping looks at each line that the kernel has of a process' mappings (smaps), as fields, with
// the size of the mapping that it is of.
func eachMapping(pid int, look func(size uint64, fields []string) error) error {
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	size := uint64(0)
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		if fields[0] == "Size:" && err == nil {
			size, err = kibibytes(fields)
		}
		if err == nil {
			err = look(size, fields)
		}
		if err != nil {
			return fmt.Errorf("/proc/%d/smaps: %q: %w", pid, line, err)
		}
	}
	return err
}

// kibibytes is the number of bytes in a line that has it in KiB.
func kibibytes(fields []string) (uint64, error) {
	if len(fields) < 2 {
		return 0, errors.New("there is no number")
	}
	n, err := strconv.ParseUint(fields[1], 10, 64)
	return n << 10, err
}

// DescriptorLimit is the limit on a process' descriptors (RLIMIT_NOFILE) under which it can open
// so many more: each new one has the lowest number that is free.
func DescriptorLimit(pid, more int) (uint64, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, err
	}
	taken := map[string]bool{}
	for _, fd := range open {
		taken[fd.Name()] = true
	}
	limit := uint64(0)
	for ; more > 0 || taken[strconv.FormatUint(limit, 10)]; limit++ {
		if !taken[strconv.FormatUint(limit, 10)] {
			more--
		}
	}
	return limit, nil
}

package host

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A MemoryFolder is a folder whose files are kept in memory.
type MemoryFolder struct {
	Path string `json:"path"` // "" = there is none that this process may write
	Free uint64 `json:"free"` // bytes
}

// Tmpfs returns the tmpfs with the most room among the usual places:
// $XDG_RUNTIME_DIR, /dev/shm and $TMPDIR.
func Tmpfs(getenv func(string) string) MemoryFolder {
	var best MemoryFolder
	for _, folder := range []string{"/dev/shm", getenv("XDG_RUNTIME_DIR"), cmp.Or(getenv("TMPDIR"), "/tmp")} {
		if free, ok := tmpfsRoom(folder); ok && (best.Path == "" || free > best.Free) {
			best = MemoryFolder{folder, free}
		}
	}
	return best
}

// Fact says it to a person.
func (m MemoryFolder) Fact() Fact {
	f := Fact{Name: "tmpfs", Have: m.Free >= 256<<20, Says: "none that this user may write"}
	if m.Path != "" {
		f.Says = fmt.Sprintf("%s free in %s", size(m.Free), m.Path)
	}
	if !f.Have {
		f.Costs = "guests whose memory is a shared file in memory; large files of a run go to the disk"
		f.Remedy = "sudo mount -o remount,size=1G /dev/shm, or, where nothing is mounted there, sudo mount -t tmpfs tmpfs /dev/shm (docker run --shm-size=1g)"
	}
	return f
}

// A HugePageSize is one size of huge pages that the kernel knows.
type HugePageSize struct {
	Size  uint64 `json:"size"` // bytes
	Total uint64 `json:"total"`
	Free  uint64 `json:"free"`
}

// Huge is what there is of huge pages.
type Huge struct {
	Sizes []HugePageSize `json:"sizes"`
	Mount string         `json:"mount"` // a hugetlbfs that this process may write; "" = none
}

// HugePages asks the kernel.
func HugePages() Huge {
	h := hugePages(os.DirFS("/"))
	if h.Mount != "" && unix.Access(h.Mount, unix.W_OK) != nil {
		h.Mount = ""
	}
	return h
}

func hugePages(root fs.FS) Huge {
	var h Huge
	const folder = "sys/kernel/mm/hugepages"
	entries, _ := fs.ReadDir(root, folder)
	for _, entry := range entries {
		kilobytes, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(entry.Name(), "hugepages-"), "kB"), 10, 64)
		if err != nil {
			continue
		}
		total, _ := readNumber(root, filepath.Join(folder, entry.Name(), "nr_hugepages"))
		free, _ := readNumber(root, filepath.Join(folder, entry.Name(), "free_hugepages"))
		h.Sizes = append(h.Sizes, HugePageSize{kilobytes << 10, total, free})
	}
	slices.SortFunc(h.Sizes, func(a, b HugePageSize) int { return cmp.Compare(a.Size, b.Size) })
	mounts, _ := fs.ReadFile(root, "proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "hugetlbfs" && h.Mount == "" {
			h.Mount = strings.NewReplacer(`\040`, " ", `\134`, `\`).Replace(fields[1])
		}
	}
	return h
}

// Fact says it to a person.
func (h Huge) Fact() Fact {
	f := Fact{Name: "huge pages"}
	var free []string
	for _, s := range h.Sizes {
		free = append(free, fmt.Sprintf("%d of %d free of %s", s.Free, s.Total, size(s.Size)))
		f.Have = f.Have || s.Free*s.Size >= 300<<20
	}
	f.Says = strings.Join(free, ", ")
	if len(free) == 0 {
		f.Says = "the kernel has none"
	}
	if !f.Have {
		f.Costs = "guests whose memory is huge pages"
		f.Remedy = "sudo sysctl vm.nr_hugepages=256"
	}
	return f
}

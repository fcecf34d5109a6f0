package host

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Memory is how much memory there is, in bytes.
type Memory struct {
	Total     uint64 `json:"total"`     // of the host
	Available uint64 `json:"available"` // that this process and its children may still take
	Limit     uint64 `json:"limit"`     // of the cgroups that this process is in; 0 = none
}

// MemoryState asks the kernel, and the cgroups from this process's own up.
func MemoryState() Memory { return memory(os.DirFS("/")) }

func memory(root fs.FS) Memory {
	var m Memory
	info, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range strings.Lines(string(info)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kilobytes, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "MemTotal:":
			m.Total = kilobytes << 10
		case "MemAvailable:":
			m.Available = kilobytes << 10
		}
	}
	for _, g := range cgroups(root, "memory", "memory.max", "memory.limit_in_bytes") {
		limit, ok := readNumber(root, g.file)
		if !ok || limit == 0 || limit >= m.Total && m.Total > 0 {
			continue
		}
		if m.Limit == 0 || limit < m.Limit {
			m.Limit = limit
		}
		used, _ := readNumber(root, path.Join(path.Dir(g.file), g.pick("memory.current", "memory.usage_in_bytes")))
		// Cached files count as used, and can be dropped.
		used -= min(used, statValue(root, path.Join(path.Dir(g.file), "memory.stat"), "inactive_file"))
		m.Available = min(m.Available, limit-min(limit, used))
	}
	return m
}

// seedMemory is what two VMs of the standard scenarios take together, with
// what QEMU takes itself.
const seedMemory = 600 << 20

// Fact says it to a person.
func (m Memory) Fact() Fact {
	f := Fact{Name: "memory", Have: m.Available >= seedMemory, Says: fmt.Sprintf("%s available of %s", size(m.Available), size(m.Total))}
	if m.Limit > 0 {
		f.Says += fmt.Sprintf("; the cgroup's limit is %s", size(m.Limit))
	}
	if !f.Have {
		f.Costs = "all scenarios: two VMs take " + size(seedMemory)
		f.Remedy = "end other programs, or raise the container's memory limit"
	}
	if m.Total == 0 { // the kernel always says it
		f.Says, f.Remedy = "not known: /proc is not mounted", "sudo mount -t proc proc /proc"
	}
	return f
}

// CPUs is how many processors there are.
type CPUs struct {
	Online int     `json:"online"` // that this process may run on
	Quota  float64 `json:"quota"`  // processors' worth of time that the cgroups grant; 0 = no limit
}

// Usable returns how much work goes on at once, at least a part of one.
func (c CPUs) Usable() float64 {
	if c.Quota > 0 {
		return math.Min(c.Quota, float64(c.Online))
	}
	return float64(c.Online)
}

// Fact says it to a person.
func (c CPUs) Fact() Fact {
	f := Fact{Name: "processors", Have: c.Usable() >= 2, Says: strconv.Itoa(c.Online)}
	if c.Quota > 0 {
		f.Says += fmt.Sprintf("; the cgroup grants %.1f", c.Quota)
	}
	if !f.Have {
		f.Costs = "time: source and destination take turns"
		f.Remedy = "give the VM or the container two processors"
	}
	return f
}

// Processors asks the kernel, and the cgroups from this process's own up.
func Processors() CPUs { return processors(os.DirFS("/"), onlineCPUs()) }

func processors(root fs.FS, online int) CPUs {
	c := CPUs{Online: online}
	for _, g := range cgroups(root, "cpu", "cpu.max", "cpu.cfs_quota_us") {
		text, err := fs.ReadFile(root, g.file)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text))
		if g.v1 {
			period, _ := fs.ReadFile(root, path.Join(path.Dir(g.file), "cpu.cfs_period_us"))
			fields = append(fields, strings.TrimSpace(string(period)))
		}
		if len(fields) != 2 {
			continue
		}
		quota, quotaErr := strconv.ParseFloat(fields[0], 64)
		period, periodErr := strconv.ParseFloat(fields[1], 64)
		if quotaErr != nil || periodErr != nil || quota <= 0 || period <= 0 {
			continue // "max", or -1: no limit
		}
		if c.Quota == 0 || quota/period < c.Quota {
			c.Quota = quota / period
		}
	}
	return c
}

// A cgroup is one file of one of the groups that this process is in.
type cgroup struct {
	file string
	v1   bool
}

// pick returns the name that a file has in the group's version.
func (g cgroup) pick(v2, v1 string) string {
	if g.v1 {
		return v1
	}
	return v2
}

// cgroups returns where a controller's file is in this process's group and
// each one above it, in version 2 and in version 1 of the interface. In a
// container, the groups are seen from its own, so the path may not be there.
func cgroups(root fs.FS, controller, v2, v1 string) []cgroup {
	text, _ := fs.ReadFile(root, "proc/self/cgroup")
	var found []cgroup
	add := func(mount, group, file string, old bool) {
		group = path.Clean("/" + group)
		for {
			name := path.Join(mount, group, file)
			if _, err := fs.Stat(root, name); err == nil {
				found = append(found, cgroup{name, old})
			}
			if group == "/" {
				return
			}
			group = path.Dir(group)
		}
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[1] == "" {
			add("sys/fs/cgroup", parts[2], v2, false)
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			if name == controller {
				add(path.Join("sys/fs/cgroup", controller), parts[2], v1, true)
			}
		}
	}
	return found
}

func readNumber(root fs.FS, name string) (uint64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

// statValue returns one line's number of a file such as memory.stat.
func statValue(root fs.FS, name, key string) uint64 {
	text, _ := fs.ReadFile(root, name)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == key {
			n, _ := strconv.ParseUint(fields[1], 10, 64)
			return n
		}
	}
	return 0
}

// size writes a number of bytes for a person.
func size(bytes uint64) string {
	if bytes >= 10<<30 {
		return fmt.Sprintf("%d GiB", bytes>>30)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

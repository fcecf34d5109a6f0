package bench

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Method is a way to migrate: the lines that a scenario needs for it.
type Method struct {
	Name string
	Doc  string
	// needs and set are lines of the scenario file, before boot.
	needs, set []string
	kind       kind
}

type kind int

const (
	precopy kind = iota
	postcopy
	file
)

// Methods are all there are, in the order in which tables have them.
func Methods() []Method {
	multifd := func(name string, channels int, compression, doc string) Method {
		return Method{
			name, doc,
			[]string{"needs host loopback", "needs capability multifd since 4.0", "needs parameter multifd-compression=" + compression + " since 5.0 build-option"},
			[]string{"enable multifd", fmt.Sprintf("both: set multifd-channels %d", channels), "both: set multifd-compression " + compression},
			precopy,
		}
	}
	post := []string{"needs host userfaultfd", "needs capability postcopy-ram since 2.6"}
	return []Method{
		{"precopy", "pages over one connection, until what is left fits into the downtime limit", nil, nil, precopy},
		{"xbzrle", "pages that are sent again go as deltas", []string{"needs capability xbzrle since 1.3"}, []string{"enable xbzrle", "set xbzrle-cache-size 256MiB"}, precopy},
		multifd("multifd-1", 1, "none", "pages over one multifd channel"),
		multifd("multifd-2", 2, "none", "pages over two multifd channels"),
		multifd("multifd-4", 4, "none", "pages over four multifd channels"),
		multifd("multifd-8", 8, "none", "pages over eight multifd channels"),
		multifd("zlib", 2, "zlib", "pages over two multifd channels, compressed with zlib"),
		multifd("zstd", 2, "zstd", "pages over two multifd channels, compressed with zstd"),
		{
			"mapped-ram", "a running guest goes into a file with a place for each page, and is loaded from it",
			[]string{"needs capability mapped-ram since 9.0"},
			[]string{"enable mapped-ram"},
			file,
		},
		{"postcopy", "the guest runs on the destination at once, and fetches its pages", post, []string{"enable postcopy-ram"}, postcopy},
		{
			"preempt", "postcopy with a channel of its own for the pages that are waited for",
			append(slices.Clone(post), "needs host loopback", "needs capability postcopy-preempt since 7.1"),
			[]string{"enable postcopy-ram", "enable postcopy-preempt"},
			postcopy,
		},
		{"auto-converge", "the guest is throttled until it dirties less than is sent", []string{"needs capability auto-converge since 1.6"}, []string{"enable auto-converge"}, precopy},
	}
}

// MethodNames are the names of all methods.
func MethodNames() (names []string) {
	for _, m := range Methods() {
		names = append(names, m.Name)
	}
	return names
}

func methodOf(name string) (Method, bool) {
	all := Methods()
	i := slices.IndexFunc(all, func(m Method) bool { return m.Name == name })
	if i < 0 {
		return Method{}, false
	}
	return all[i], true
}

// A Dirty is how much of its memory the guest dirties: so many bytes, over and over as fast
// as it can, or, where Rate is set, so many a second.
type Dirty struct {
	Bytes float64 // 0 is nothing, +Inf all that the guest program writes
	Rate  bool
}

// All is a guest that dirties all that its program writes, as fast as it can.
var allDirty = Dirty{Bytes: math.Inf(1)}

// ParseDirty understands 0, 16MB, all, and, as a rate, 200MB/s.
func ParseDirty(text string) (Dirty, error) {
	if text == "all" {
		return allDirty, nil
	}
	bytes, rate, ok := quantity(text)
	if !ok {
		return Dirty{}, fmt.Errorf("%q is nothing that a guest can dirty: it is 0, a size such as 16MB, a rate such as 200MB/s, or all", text)
	}
	return Dirty{bytes, rate && bytes > 0}, nil
}

func (d Dirty) String() string {
	switch {
	case math.IsInf(d.Bytes, 1):
		return "all"
	case d.Bytes == 0:
		return "0"
	case d.Rate:
		return short(d.Bytes) + "/s"
	}
	return short(d.Bytes)
}

// MarshalText implements encoding.TextMarshaler.
func (d Dirty) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Dirty) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDirty(string(text))
	return err
}

// ParseBandwidth understands 1GB/s.
func ParseBandwidth(text string) (float64, error) {
	bytes, rate, ok := quantity(text)
	if !ok || !rate || bytes < 1e6 {
		return 0, fmt.Errorf("%q is no bandwidth: it is a rate of at least 1MB/s, such as 1GB/s", text)
	}
	return bytes, nil
}

// ParseMemory understands 256MiB, and returns MiB.
func ParseMemory(text string) (int, error) {
	bytes, rate, ok := quantity(text)
	const least, most = 128 << 20, 1 << 40
	if !ok || rate || bytes < least || bytes > most || math.Mod(bytes, 1<<20) != 0 {
		return 0, fmt.Errorf("%q is no size of RAM: it is whole MiB, from 128MiB on, such as 1GiB", text)
	}
	return int(bytes) >> 20, nil
}

var units = map[string]float64{"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

var quantityForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(B|kB|MB|GB|KiB|MiB|GiB)?(/s)?$`)

func quantity(text string) (bytes float64, rate, ok bool) {
	parts := quantityForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, false, false
	}
	x, err := strconv.ParseFloat(parts[1], 64)
	x *= units[parts[2]]
	const most = 1 << 50
	return x, parts[3] != "", err == nil && x <= most
}

// short writes a size with no more digits than it has: 16MB, 1.5GB.
func short(bytes float64) string {
	for _, u := range []struct {
		unit string
		size float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if bytes >= u.size {
			return strconv.FormatFloat(bytes/u.size, 'f', -1, 64) + u.unit
		}
	}
	return strconv.FormatFloat(bytes, 'f', -1, 64) + "B"
}

// A Point is one combination of what a bench varies.
type Point struct {
	Method     string
	Dirty      Dirty
	Bandwidth  float64 // max-bandwidth, bytes a second
	MemoryMiB  int     // of the guest's RAM; 0 is what its program asks for
	DowntimeMS int     // downtime-limit, milliseconds
}

// String names the point: "precopy, dirty 16MB, 1GB/s, 300 ms".
func (p Point) String() string {
	text := fmt.Sprintf("%s, dirty %s, %s/s, %d ms", p.Method, p.Dirty, short(p.Bandwidth), p.DowntimeMS)
	if p.MemoryMiB > 0 {
		text += fmt.Sprintf(", %d MiB", p.MemoryMiB)
	}
	return text
}

// compare orders points as tables have them.
func (p Point) compare(q Point) int {
	names := MethodNames()
	return cmp.Or(
		cmp.Compare(p.MemoryMiB, q.MemoryMiB), cmp.Compare(p.Bandwidth, q.Bandwidth), cmp.Compare(p.DowntimeMS, q.DowntimeMS),
		cmp.Compare(slices.Index(names, p.Method), slices.Index(names, q.Method)), cmp.Compare(p.Dirty.Bytes, q.Dirty.Bytes),
	)
}

// dirtyLines are the declarations that make the guest dirty so much.
func (d Dirty) lines() ([]string, error) {
	const page = 4096
	switch {
	case d.Rate:
		return nil, fmt.Errorf("no guest program dirties %s: they write as fast as they can; name a size, such as 16MB, or all", d)
	case math.IsInf(d.Bytes, 1):
		return nil, nil
	}
	return []string{fmt.Sprintf("workload %d", max(1, int(d.Bytes/page)))}, nil
}

// beats are the heartbeats that the guest's speed is taken from, before and after.
const beats = 6

// Scenario is the point as the text of a scenario file. A migration that has not converged
// after within is let go at any downtime.
func (p Point) Scenario(within time.Duration) (text string, err error) {
	m, ok := methodOf(p.Method)
	if !ok {
		return "", fmt.Errorf("there is no method %q: they are %s", p.Method, strings.Join(MethodNames(), ", "))
	}
	dirty, err := p.Dirty.lines()
	if err != nil {
		return "", err
	}
	lines := []string{"# What migration costs: " + p.String() + ".", ""}
	lines = append(lines, m.needs...)
	lines = append(lines, dirty...)
	if p.MemoryMiB > 0 {
		lines = append(lines, fmt.Sprintf("memory %dMiB", p.MemoryMiB))
	}
	lines = append(lines, "")
	lines = append(lines, m.set...)
	lines = append(lines,
		fmt.Sprintf("set downtime-limit %dms", p.DowntimeMS),
		fmt.Sprintf("set max-bandwidth %.0f", p.Bandwidth),
		"boot",
		fmt.Sprintf("await heartbeats %d", beats),
	)
	listen := "listen unix"
	if slices.Contains(m.needs, "needs host loopback") {
		listen = "listen tcp"
	}
	converge := fmt.Sprintf("await convergence %s", within)
	switch m.kind {
	case file:
		lines = append(lines, "migrate file:{dir}/stream", converge, "await saved", "load", "await switchover")
	case postcopy:
		lines = append(lines, listen, "migrate", "await status active", "migrate-start-postcopy", "await switchover within 30s")
	default:
		lines = append(lines, listen, "migrate", converge, "await switchover within 30s")
	}
	lines = append(lines, fmt.Sprintf("destination: await heartbeats %d", beats))
	return strings.Join(lines, "\n") + "\n", nil
}

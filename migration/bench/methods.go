package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/internal/near"

	"github.com/drover-vm/drover/migration/bench/stats"
)

// A Method is a way to migrate.
type Method struct {
	Name string
	Doc  string // one sentence

	needs  []string // lines of a scenario file
	enable []string
	moves  []string // from migrate on; nil is that of precopy
}

// Lines of a scenario file: those between which the guest's speed is taken, before and
// afterwards; the one that gives the migration some time to converge, and lifts its downtime
// limit then; and the one at which it is over.
const (
	beforehand = "await heartbeats 8"
	converge   = "await convergence {time}"
	arrive     = "await switchover within 30s"
	afterwards = "destination: await heartbeats 8"
)

// Methods are all there are, in the order in which they are shown.
func Methods() []Method {
	multifd := func(channels int) Method {
		return Method{
			Name: fmt.Sprintf("multifd-%d", channels), Doc: fmt.Sprintf("pages go over %d multifd channels", channels),
			needs:  []string{"needs host loopback", "needs capability multifd since 4.0"},
			enable: []string{"enable multifd", fmt.Sprintf("both: set multifd-channels %d", channels)},
		}
	}
	compressed := func(with string, build string) Method {
		return Method{
			Name: with, Doc: "pages go over 2 multifd channels, compressed with " + with,
			needs:  []string{"needs host loopback", "needs capability multifd since 4.0", "needs parameter multifd-compression=" + with + " since 5.0" + build},
			enable: []string{"enable multifd", "both: set multifd-channels 2", "both: set multifd-compression " + with},
		}
	}
	postcopy := []string{"listen tcp", "migrate", "await passes 1", "migrate-start-postcopy", converge, arrive}
	return []Method{
		{Name: "precopy", Doc: "pages go over one connection", needs: []string{"needs host loopback"}},
		{
			Name: "xbzrle", Doc: "pages that are sent again are sent as XBZRLE deltas, with a cache as large as the guest's RAM",
			needs: []string{"needs host loopback", "needs capability xbzrle since 1.3"}, enable: []string{"enable xbzrle", "set xbzrle-cache-size {memory}"},
		},
		multifd(1), multifd(2), multifd(4), multifd(8),
		compressed("zlib", ""), compressed("zstd", " build-option"),
		{
			Name: "mapped-ram", Doc: "a file has a fixed place for each page, and the destination reads it when the source is done",
			needs: []string{"needs capability mapped-ram since 9.0"}, enable: []string{"enable mapped-ram"},
			moves: []string{"migrate file:{dir}/stream", converge, "await saved", "load", arrive},
		},
		{
			Name: "postcopy", Doc: "one pass, then the guest runs on the destination before its RAM is there",
			needs: []string{"needs host loopback", "needs host userfaultfd", "needs capability postcopy-ram since 2.6"}, enable: []string{"enable postcopy-ram"}, moves: postcopy,
		},
		{
			Name: "preempt", Doc: "postcopy, where pages that the guest requests go over a channel of their own",
			needs: []string{
				"needs host loopback", "needs host userfaultfd",
				"needs capability postcopy-ram since 2.6", "needs capability postcopy-preempt since 7.1",
			}, enable: []string{"enable postcopy-ram", "enable postcopy-preempt"}, moves: postcopy,
		},
		{
			Name: "auto-converge", Doc: "the guest's vCPUs are throttled, by QEMU's defaults, while the migration does not converge",
			needs: []string{"needs host loopback", "needs capability auto-converge since 1.6"}, enable: []string{"enable auto-converge"},
		},
	}
}

// MethodNames are those of all methods.
func MethodNames() (names []string) {
	for _, m := range Methods() {
		names = append(names, m.Name)
	}
	return names
}

// FindMethod is the method of that name. The error offers those that may have been meant.
func FindMethod(name string) (Method, error) {
	for _, m := range Methods() {
		if m.Name == name {
			return m, nil
		}
	}
	offer := "there are " + strings.Join(MethodNames(), ", ")
	if meant := near.Names(name, MethodNames()); len(meant) > 0 {
		offer = "did you mean " + strings.Join(meant, " or ") + "?"
	}
	return Method{}, fmt.Errorf("no method %q; %s", name, offer)
}

// Text is the scenario file of a cell: what is measured, for drover run, and to read.
func (p Plan) Text(c stats.Cell) (string, error) {
	m, err := FindMethod(c.Method)
	if err != nil {
		return "", err
	}
	guest, err := dial(c, p.Arch)
	if err != nil {
		return "", err
	}
	moves := m.moves
	if moves == nil {
		moves = []string{"listen tcp", "migrate", converge, arrive}
	}
	lines := slices.Concat(
		[]string{"# " + c.String() + ".", ""}, m.needs, guest, []string{""}, m.enable,
		[]string{
			fmt.Sprintf("set max-bandwidth %d", c.Bandwidth),
			fmt.Sprintf("set downtime-limit %s", time.Duration(c.DowntimeMS)*time.Millisecond),
			"boot", beforehand,
		}, moves, []string{afterwards},
	)
	text := strings.Join(lines, "\n") + "\n"
	return strings.NewReplacer("{memory}", cacheSize(c.MemoryMiB), "{time}", p.MaxTime.String()).Replace(text), nil
}

// cacheSize is the smallest power of two, as QEMU wants it, that is no less than the RAM.
func cacheSize(mib int) string {
	size := 1
	for size < mib {
		size *= 2
	}
	return stats.MemoryText(size)
}

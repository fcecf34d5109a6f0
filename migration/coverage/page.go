package coverage

import (
	"fmt"
	"slices"
	"strings"
)

// Page writes the list as Markdown, with a table for each kind; the fleet is in the order of
// its versions.
func Page(l List, fleet []Recorded) string {
	var page strings.Builder
	page.WriteString(introduction)
	since := versionsOf(fleet)
	page.WriteString("\n| kind | items | watched | nothing can notice | nobody yet |\n|---|---|---|---|---|\n")
	all := make([]int, 4)
	for _, kind := range Kinds() {
		row := count(l, kind)
		fmt.Fprintf(&page, "| [%s](#%s) | %d | %d | %d | %d |\n", titles[kind], anchor(titles[kind]), row[0], row[1], row[2], row[3])
		for i := range all {
			all[i] += row[i]
		}
	}
	fmt.Fprintf(&page, "| all | %d | %d | %d | %d |\n", all[0], all[1], all[2], all[3])
	for _, kind := range Kinds() {
		fmt.Fprintf(&page, "\n## %s\n\n| name | QEMU | who would notice |\n|---|---|---|\n", titles[kind])
		entries := slices.DeleteFunc(slices.Clone(l.Entries), func(e Entry) bool { return e.Kind != kind })
		slices.SortFunc(entries, func(a, b Entry) int { return compare(a.Item, b.Item) })
		for _, e := range entries {
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", e.Name, since[e.Item], escape(e.who()))
		}
	}
	return page.String()
}

const introduction = `# What QEMU offers for migration, and who watches it

Each capability, parameter, argument, run state, status, event and member of a reply that
the schema of a QEMU of the fleet has, with the scenarios and checks that would notice if it
were ignored, lost, wrong by a factor, or applied on one side only. Made by ` + "`make generate`" + `
from migration/scenarios/coverage.txt, which a test holds against the schemas;
` + "`drover list --watches NAME`" + ` prints what stands here about one. A name is a path: words from
a command to a member, a value behind the name of an enumeration, tag=case where members
depend on a tag.
`

var titles = map[Kind]string{
	Capability: "Capabilities", Parameter: "Parameters", Argument: "Arguments of migrate and migrate-incoming",
	RunState: "Run states", Status: "Migration statuses", Event: "Events", Reply: "Members of query-migrate's reply",
}

// anchor is how a link leads to a title.
func anchor(title string) string {
	return strings.NewReplacer(" ", "-", "'", "").Replace(strings.ToLower(title))
}

// count is how many entries of a kind there are, are watched, can't be, and are not.
func count(l List, kind Kind) []int {
	n := make([]int, 4)
	for _, e := range l.Entries {
		if e.Kind != kind {
			continue
		}
		n[0]++
		switch {
		case e.Impossible != "":
			n[2]++
		case e.Gap != "":
			n[3]++
		default:
			n[1]++
		}
	}
	return n
}

// who is who watches the entry's item, in words.
func (e Entry) who() string {
	switch {
	case e.Impossible != "":
		return "nothing can: " + e.Impossible
	case e.Gap != "":
		return "**nobody yet**: " + e.Gap
	}
	all := slices.Clone(e.Scenarios)
	for _, check := range e.Checks {
		all = append(all, checkWord+`"`+check+`"`)
	}
	return strings.Join(all, ", ")
}

// escape keeps what would be markup as it is.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "_", `\_`).Replace(text)
}

// versionsOf says of each item in which versions of the fleet it is.
func versionsOf(fleet []Recorded) map[Item]string {
	in := map[Item][]int{}
	for i, r := range fleet {
		for _, item := range Items(r.Schema) {
			in[item] = append(in[item], i)
		}
	}
	last, all := len(fleet)-1, map[Item]string{}
	for item, at := range in {
		first, final := at[0], at[len(at)-1]
		through := final-first == len(at)-1
		switch {
		case through && first == 0 && final == last:
			all[item] = "all"
		case through && final == last:
			all[item] = "since " + fleet[first].Version
		case through && first == 0:
			all[item] = "until " + fleet[final].Version
		default:
			var names []string
			for _, i := range at {
				names = append(names, fleet[i].Version)
			}
			all[item] = strings.Join(names, ", ")
		}
	}
	return all
}

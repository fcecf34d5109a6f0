package coverage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An Entry says who watches an item.
type Entry struct {
	Item
	Line      int      // in the text, from 1
	Scenarios []string // that fail where QEMU gets it wrong
	Checks    []string // of package record, which do
	// Where both are empty, one of these is a sentence.
	Impossible string // why nothing can notice
	Gap        string // why nobody does yet
}

// A List is who watches what.
type List struct {
	Entries []Entry // as in the text
	Gaps    int     // how many of them have a Gap, as the text says
}

// A SyntaxError says which line of the text can't be read, and how it is written.
type SyntaxError struct {
	Line int // from 1
	Text string
}

// Error is the line's number and what is wrong with it.
func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

const (
	impossible = "nothing can:"
	gap        = "nobody yet:"
	checkWord  = "check "
)

// Parse reads the text. Blank lines, and those that begin with #, are passed over. The error
// is a *SyntaxError.
func Parse(text string) (List, error) {
	list, number, had := List{Gaps: -1}, 0, map[Item]int{}
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		left, right, ok := strings.Cut(line, " = ")
		if !ok {
			return List{}, &SyntaxError{number, fmt.Sprintf("%.60q has no \" = \"; write: KIND NAME = SCENARIO, check NAME", line)}
		}
		if left == "gaps" {
			n, err := strconv.Atoi(right)
			if err != nil || n < 0 || list.Gaps >= 0 {
				return List{}, &SyntaxError{number, fmt.Sprintf("%.60q: how many gaps there are is one whole number, once", line)}
			}
			list.Gaps = n
			continue
		}
		e, err := parseEntry(left, right)
		if err == "" && had[e.Item] != 0 {
			err = fmt.Sprintf("the %s stands in line %d as well", e.Item, had[e.Item])
		}
		if err != "" {
			return List{}, &SyntaxError{number, err}
		}
		e.Line, had[e.Item] = number, number
		list.Entries = append(list.Entries, e)
	}
	if list.Gaps < 0 {
		return List{}, &SyntaxError{number, `the number of gaps is missing; write: gaps = NUMBER`}
	}
	return list, nil
}

// parseEntry reads both sides of a line, or says what is wrong with it.
func parseEntry(left, right string) (e Entry, wrong string) {
	kind, name, ok := strings.Cut(left, " ")
	e.Item = Item{Kind: Kind(kind), Name: name}
	if !ok || !slices.Contains(Kinds(), e.Kind) {
		return e, fmt.Sprintf("%.60q does not begin with a kind and a name; the kinds are %v", left, Kinds())
	}
	if name != strings.Join(strings.Fields(name), " ") {
		return e, fmt.Sprintf("%.60q: the words of a name have one blank between them", left)
	}
	if why, ok := strings.CutPrefix(right, impossible); ok {
		e.Impossible = strings.TrimSpace(why)
		return e, reason(e.Impossible, impossible)
	}
	if why, ok := strings.CutPrefix(right, gap); ok {
		e.Gap = strings.TrimSpace(why)
		return e, reason(e.Gap, gap)
	}
	for watcher := range strings.SplitSeq(right, ",") {
		watcher = strings.TrimSpace(watcher)
		if check, ok := strings.CutPrefix(watcher, checkWord); ok {
			e.Checks = append(e.Checks, check)
			continue
		}
		if watcher == "" || strings.ContainsAny(watcher, " :") {
			return e, fmt.Sprintf("%.60q is neither a scenario nor a check; write: SCENARIO, check NAME, or: %s REASON, or: %s REASON", watcher, impossible, gap)
		}
		e.Scenarios = append(e.Scenarios, watcher)
	}
	return e, ""
}

func reason(text, behind string) (wrong string) {
	if text == "" {
		return "the reason behind \"" + behind + "\" is missing"
	}
	return ""
}

// About returns the entries whose name is that one, or ends with it.
func (l List) About(name string) (found []Entry) {
	for _, e := range l.Entries {
		if e.Name == name || e.String() == name || strings.HasSuffix(e.Name, " "+name) {
			found = append(found, e)
		}
	}
	return found
}

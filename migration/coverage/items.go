package coverage

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// A Kind is one of the kinds of what QEMU offers.
type Kind string

// The kinds, as they stand in the text.
const (
	Capability Kind = "capability" // of migrate-set-capabilities
	Parameter  Kind = "parameter"  // of migrate-set-parameters, with the values of enumerations
	Argument   Kind = "argument"   // of migrate and migrate-incoming, with the values of enumerations
	RunState   Kind = "run-state"  // of query-status
	Status     Kind = "status"     // of a migration
	Event      Kind = "event"      // about migration, and its members
	Reply      Kind = "reply"      // a member of query-migrate's
)

// Kinds returns all kinds, in the order in which a page has them.
func Kinds() []Kind {
	return []Kind{Capability, Parameter, Argument, RunState, Status, Event, Reply}
}

// An Item is one thing that QEMU offers.
type Item struct {
	Kind Kind
	Name string // for instance "announce-rounds", or "migrate channels addr transport=file offset"
}

// String is how the item stands in the text.
func (i Item) String() string { return string(i.Kind) + " " + i.Name }

// Items returns what the QEMU with that schema offers, ordered by kind and name, each once.
func Items(s *schema.Schema) []Item {
	w := walk{seen: map[Item]bool{}}
	if c := s.Command("migrate-set-parameters"); c != nil {
		w.members(Parameter, "", c.Arguments, 0)
	}
	for _, name := range []string{"migrate", "migrate-incoming"} {
		if c := s.Command(name); c != nil {
			w.members(Argument, name+" ", c.Arguments, 0)
		}
	}
	if c := s.Command("query-migrate"); c != nil {
		w.members(Reply, "query-migrate ", c.Returns, 0)
	}
	for _, values := range []struct {
		kind Kind
		path string
	}{
		{Capability, "migrate-set-capabilities capabilities capability"},
		{RunState, "query-status -> status"},
		{Status, "query-migrate -> status"},
	} {
		if item, ok := s.Find(values.path); ok {
			for _, v := range item.Type.Values {
				w.add(values.kind, v.Name)
			}
		}
	}
	for _, name := range s.Events() {
		if ofMigration.MatchString(name) {
			w.add(Event, name)
			w.members(Event, name+" ", s.Event(name).Data, 0)
		}
	}
	slices.SortFunc(w.found, compare)
	return w.found
}

// compare orders items as a page has them.
func compare(a, b Item) int {
	return cmp.Or(cmp.Compare(slices.Index(Kinds(), a.Kind), slices.Index(Kinds(), b.Kind)), cmp.Compare(a.Name, b.Name))
}

// ofMigration finds the events that a migration causes, and DUMP_COMPLETED, which is of the
// other way to save a guest's memory.
var ofMigration = regexp.MustCompile(`MIGRAT|POSTCOPY|COLO|UNPLUG_PRIMARY|FAILOVER|^DUMP|^(STOP|RESUME|SUSPEND|WAKEUP)$`)

// walk gathers items.
type walk struct {
	seen  map[Item]bool
	found []Item
}

func (w *walk) add(kind Kind, name string) {
	item := Item{Kind: kind, Name: name}
	if !w.seen[item] {
		w.seen[item] = true
		w.found = append(w.found, item)
	}
}

// deepest is how many members deep a type is looked into: none of QEMU's is deeper, but one
// might contain itself.
const deepest = 12

// members adds what an object has, at any depth.
func (w *walk) members(kind Kind, prefix string, t *schema.Type, depth int) {
	if t == nil || depth > deepest {
		return
	}
	if t.Element != nil {
		w.members(kind, prefix, t.Element, depth+1)
	}
	for _, alternative := range t.Alternatives {
		w.members(kind, prefix, alternative, depth+1)
	}
	for _, m := range t.Members {
		w.add(kind, prefix+m.Name)
		if m.Type == nil {
			continue
		}
		if kind == Parameter || kind == Argument {
			for _, v := range m.Type.Values {
				w.add(kind, prefix+m.Name+" "+v.Name)
			}
		}
		w.members(kind, prefix+m.Name+" ", m.Type, depth+1)
	}
	for _, v := range t.Variants {
		w.members(kind, prefix+t.Tag+"="+v.Case+" ", v.Type, depth+1)
	}
}

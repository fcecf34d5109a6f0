package schema

import (
	"slices"
	"strings"
)

// An Item is what a path leads to.
type Item struct {
	Type     *Type    // of the arguments, the data or the member; of a value, the enumeration
	Optional bool     // a member may be left out
	Features []string // of the command, event, member or value itself
}

// The features that QEMU gives any kind of item.
const (
	Deprecated = "deprecated" // will go away: see docs/about/deprecated.rst
	Unstable   = "unstable"   // may change in any release
)

// Has reports whether there is what a path leads to; how a path is written is in the
// package's comment.
func (s *Schema) Has(path string) bool {
	_, ok := s.Find(path)
	return ok
}

// HasFeature reports whether what a path leads to has a feature: "deprecated",
// "unstable", or one of its own.
func (s *Schema) HasFeature(path, feature string) bool {
	item, _ := s.Find(path)
	return slices.Contains(item.Features, feature)
}

// Find returns what a path leads to, and whether it leads anywhere. Where several
// cases of a tag have a member with the same name, the first one's is returned,
// and all are searched for what comes behind it.
func (s *Schema) Find(path string) (Item, bool) {
	item, _, ok := s.walk(strings.Fields(path))
	return item, ok
}

// Complete returns what the last word of a path may become: the names of commands
// and events, members, values. That word is empty where the path ends with a
// space. For a path that leads nowhere there is nothing.
func (s *Schema) Complete(path string) []string {
	words := strings.Fields(path)
	prefix := ""
	if n := len(words); n > 0 && !strings.HasSuffix(path, " ") {
		words, prefix = words[:n-1], words[n-1]
	}
	var names []string
	if len(words) == 0 {
		names = append(s.Commands(), s.Events()...)
	} else if _, in, ok := s.walk(words); ok {
		names = in.names()
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// walk follows a path; in is where its next word would be looked for.
func (s *Schema) walk(words []string) (item Item, in scope, ok bool) {
	if len(words) == 0 {
		return item, in, false
	}
	name, words := words[0], words[1:]
	if c := s.commands[name]; c != nil {
		item = Item{Type: c.Arguments, Features: c.Features}
		if len(words) > 0 && words[0] == "->" {
			item.Type, words = c.Returns, words[1:]
		}
	} else if e := s.events[name]; e != nil {
		item = Item{Type: e.Data, Features: e.Features}
	} else {
		return item, in, false
	}
	in.with(item.Type)
	for _, word := range words {
		item, in, ok = in.step(item, word)
		if !ok {
			return Item{}, scope{}, false
		}
	}
	return item, in, true
}

// A scope is the types in which a word is looked for: objects, each with its
// variants behind it, and enumerations. A nil scope is empty.
type scope struct {
	types []*Type
	seen  map[*Type]bool // a schema may go round in circles
}

// add adds a type alone, and says whether it is new.
func (in *scope) add(t *Type) bool {
	if t == nil || in.seen[t] {
		return false
	}
	if in.seen == nil {
		in.seen = map[*Type]bool{}
	}
	in.seen[t] = true
	in.types = append(in.types, t)
	return true
}

// with adds a type, and those that it leads to without a name.
func (in *scope) with(t *Type) {
	if !in.add(t) {
		return
	}
	in.with(t.Element)
	for _, a := range t.Alternatives {
		in.with(a)
	}
	for _, v := range t.Variants {
		in.with(v.Type)
	}
}

// withVariants adds an object and its variants.
func (in *scope) withVariants(t *Type) {
	if in.add(t) {
		for _, v := range t.Variants {
			in.withVariants(v.Type)
		}
	}
}

// step takes one word.
func (in *scope) step(from Item, word string) (item Item, next scope, ok bool) {
	if tag, value, narrowed := strings.Cut(word, "="); narrowed {
		return in.narrow(from, tag, value)
	}
	for _, t := range in.types {
		for _, m := range t.Members {
			if m.Name != word {
				continue
			}
			if !ok {
				item, ok = Item{Type: m.Type, Optional: m.Optional, Features: m.Features}, true
			}
			next.with(m.Type)
		}
		for _, v := range t.Values {
			if v.Name == word && !ok {
				return Item{Type: t, Features: v.Features}, scope{}, true
			}
		}
	}
	return item, next, ok
}

// narrow keeps of the objects with a tag the members of one case, and those that
// all cases have.
func (in *scope) narrow(from Item, tag, value string) (item Item, next scope, ok bool) {
	for _, t := range in.types {
		if t.Tag != tag {
			continue
		}
		if v := t.variant(value); v != nil {
			ok = true
			next.add(&Type{Name: t.Name, Meta: t.Meta, Members: t.Members})
			next.with(v)
		}
	}
	return from, next, ok
}

// variant returns the type of a tag's case, nil where there is none.
func (t *Type) variant(value string) *Type {
	for _, v := range t.Variants {
		if v.Case == value {
			return v.Type
		}
	}
	return nil
}

// names are all words that lead on.
func (in *scope) names() []string {
	var names []string
	known := map[string]bool{}
	add := func(name string) {
		if !known[name] {
			known[name] = true
			names = append(names, name)
		}
	}
	for _, t := range in.types {
		for _, m := range t.Members {
			add(m.Name)
		}
		for _, v := range t.Values {
			add(v.Name)
		}
	}
	return names
}

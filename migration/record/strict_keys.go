package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"unicode"
)

// fields are the keys that a struct has, exactly as they are written.
type fields map[string]field

type field struct {
	of       reflect.Type
	fold     string
	required bool // Save always writes it
	null     bool // it may be null, though its type knows no such value
}

// key passes a key and the colon behind it, and puts it on the path.
func (s *scan) key(had map[string]string) (key string, err error) {
	at := s.at
	if err := json.Unmarshal(s.quoted(), &key); err != nil {
		return "", err
	}
	s.path = append(s.path, "."+shown(key))
	folded := fold(key)
	if before, twice := had[folded]; twice {
		s.at = at
		if before == key {
			return "", s.wrong("the key is there twice")
		}
		return "", s.wrong("the key %s is there as well, which differs only in case", shown(before))
	}
	had[folded] = key
	s.next()
	s.at++ // the colon
	return key, nil
}

// shown is a key as an error prints it.
func shown(key string) string {
	if key != "" && strings.IndexFunc(key, func(r rune) bool { return r != '-' && r != '_' && !isWord(r) }) < 0 && len(key) <= 60 {
		return key
	}
	return fmt.Sprintf("%.60q", key)
}

func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// meant names the key that somebody may have meant.
func (f fields) meant(key string) string {
	folded := fold(key)
	for name, f := range f {
		if f.fold == folded {
			return ": it is written " + name
		}
	}
	return ""
}

// fold is what all keys have in common that encoding/json takes for the same.
func fold(key string) string {
	return strings.Map(func(r rune) rune {
		for next := unicode.SimpleFold(r); ; next = unicode.SimpleFold(next) {
			if next <= r {
				return next
			}
		}
	}, key)
}

// fieldsOf are the keys of a struct.
func (s *scan) fieldsOf(t reflect.Type) fields {
	if known := s.known[t]; known != nil {
		return known
	}
	known := fields{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			maps.Copy(known, s.fieldsOf(f.Type))
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		strict := f.Tag.Get("strict")
		known[name] = field{of: f.Type, fold: fold(name), required: options != "omitempty" && strict != "optional", null: strict == "null"}
	}
	s.known[t] = known
	return known
}

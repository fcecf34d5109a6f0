package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// A plainEntity is an entity of a schema for encoding/json, to judge Parse by.
type plainEntity struct {
	Name     string         `json:"name"`
	Meta     string         `json:"meta-type"`
	Argument string         `json:"arg-type"`
	Result   string         `json:"ret-type"`
	OOB      bool           `json:"allow-oob"`
	JSON     string         `json:"json-type"`
	Element  string         `json:"element-type"`
	Values   []string       `json:"values"`
	Members  []plainMember  `json:"members"`
	Tag      string         `json:"tag"`
	Variants []plainVariant `json:"variants"`
	Features []string       `json:"features"`
}

type plainMember struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Default  noValue  `json:"default"`
	Features []string `json:"features"`
}

type plainVariant struct {
	Case string `json:"case"`
	Type string `json:"type"`
}

// noValue remembers that a member was there, be it null.
type noValue bool

func (n *noValue) UnmarshalJSON([]byte) error { *n = true; return nil }

// plain is what Parse read, in the form that encoding/json reads.
func plain(t testing.TB, s *schema.Schema, name, meta string) plainEntity {
	e := plainEntity{Name: name, Meta: meta}
	switch meta {
	case "command":
		c := s.Command(name)
		require.NotNil(t, c, name)
		e.Argument, e.Result, e.OOB, e.Features = c.Arguments.Name, c.Returns.Name, c.OOB, c.Features
		return e
	case "event":
		v := s.Event(name)
		require.NotNil(t, v, name)
		e.Argument, e.Features = v.Data.Name, v.Features
		return e
	}
	of := s.Type(name)
	require.NotNil(t, of, name)
	require.Equal(t, meta, string(of.Meta))
	e.JSON, e.Tag, e.Features = of.JSON, of.Tag, of.Features
	if of.Element != nil {
		e.Element = of.Element.Name
	}
	e.Members, e.Values = plainMembers(of)
	for _, v := range of.Variants {
		e.Variants = append(e.Variants, plainVariant{v.Case, v.Type.Name})
	}
	return e
}

func plainMembers(of *schema.Type) (members []plainMember, values []string) {
	switch of.Meta {
	case schema.Object:
		members = []plainMember{} // an object has the list, be it empty
	case schema.Enum:
		values = []string{}
	}
	for _, m := range of.Members {
		members = append(members, plainMember{m.Name, m.Type.Name, noValue(m.Optional), m.Features})
	}
	for _, a := range of.Alternatives {
		members = append(members, plainMember{Type: a.Name})
	}
	for _, v := range of.Values {
		values = append(values, v.Name)
		members = append(members, plainMember{Name: v.Name, Features: v.Features})
	}
	return members, values
}

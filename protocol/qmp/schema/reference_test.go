package schema_test

import "encoding/json"

// A plainEntity is an entity of a schema for encoding/json, to judge Parse by.
type plainEntity struct {
	Name     string            `json:"name"`
	Meta     string            `json:"meta-type"`
	Argument string            `json:"arg-type"`
	Result   string            `json:"ret-type"`
	OOB      bool              `json:"allow-oob"`
	JSON     string            `json:"json-type"`
	Element  string            `json:"element-type"`
	Values   []string          `json:"values"`
	Members  []json.RawMessage `json:"members"`
	Tag      string            `json:"tag"`
	Variants []struct {
		Case string `json:"case"`
		Type string `json:"type"`
	} `json:"variants"`
	Features []string `json:"features"`
}

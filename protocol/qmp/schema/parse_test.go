package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

func TestEverySchemaIsReadAsEncodingJSONReadsIt(t *testing.T) {
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			raw := recorded(t, version)
			s, err := schema.Parse(raw)
			require.NoError(t, err)
			require.Empty(t, s.Unknown())
			var list []plainEntity
			require.NoError(t, json.Unmarshal(raw, &list))
			commands, events := 0, 0
			for _, e := range list {
				switch e.Meta {
				case "command":
					commands++
				case "event":
					events++
				}
				if e.Meta == "enum" && e.Members == nil { // before 7.0
					for _, name := range e.Values {
						e.Members = append(e.Members, plainMember{Name: name})
					}
				}
				require.Equal(t, e, plain(t, s, e.Name, e.Meta), "%s %s", e.Meta, e.Name)
			}
			require.Len(t, s.Commands(), commands)
			require.Len(t, s.Events(), events)
			require.Greater(t, commands, 150)
		})
	}
}

func TestAnEntityOfAnUnknownKindIsKept(t *testing.T) {
	s, err := schema.Parse(json.RawMessage(`[
		{"name": "new", "meta-type": "macro", "body": [1, "}", {"a": null}]},
		{"name": "old", "meta-type": "command", "arg-type": "0", "ret-type": "none", "since": {"major": 12}},
		{"name": "none", "meta-type": "object", "members": []},
		{"name": "0", "meta-type": "object", "members": [{"name": "a", "type": "mystery", "shape": [[]]}]}]`))
	require.NoError(t, err)
	require.Equal(t, []schema.Unknown{{
		Name: "new", Meta: "macro",
		Raw: json.RawMessage(`{"name": "new", "meta-type": "macro", "body": [1, "}", {"a": null}]}`),
	}}, s.Unknown())
	require.Equal(t, "old {a: ?}", s.Command("old").String())
	require.NoError(t, s.Check("old", json.RawMessage(`{"a": [1]}`)), "what isn't known isn't refused")
}

func TestNamesAndDefaultsComeInAnyJSON(t *testing.T) {
	s, err := schema.Parse(json.RawMessage(`[{"meta-type":"\u0063ommand","name":"grüße\n","arg-type":"0"},` +
		`{"name":"0","meta-type":"object","members":[{"name":"a","type":"int","default":-1.5e3},{"default":{"x":[]},"type":"int","name":"b"}]}]`))
	require.NoError(t, err)
	c := s.Command("grüße\n")
	require.NotNil(t, c)
	require.Equal(t, "-1.5e3", string(c.Arguments.Members[0].Default))
	require.Equal(t, `{"x":[]}`, string(c.Arguments.Members[1].Default))
	require.True(t, c.Arguments.Members[1].Optional)
}

func TestWhatIsNoSchemaIsASyntaxError(t *testing.T) {
	for _, text := range []string{
		``, `null`, `{}`, `[`, `[1]`, `["a"]`, `[{]`, `[{}`, `[{},]`, `[{"name"}]`, `[{"name":}]`, `[{"name": 1}]`,
		`[{"name": "a]`, `[{"name": "a\x"}]`, "[{\"name\": \"a\x01\"}]", `[{"members": {}}]`, `[{"members": [1]}]`,
		`[{"members": [{"type": null}]}]`, `[{"values": [1]}]`, `[{"allow-oob": 1}]`, `[{"features": "a"}]`,
		`[{"else": nul}]`, `[{"else": [}]}]`, `[{"else": 01}]`, `[{"else": "a]`, `[{"members": [{"default": nullx}]}]`, `[] []`, `[{} {}]`,
		strings.Repeat("[", 1<<20),
	} {
		_, err := schema.Parse(json.RawMessage(text))
		require.ErrorAs(t, err, new(*schema.SyntaxError), "%.100s", text)
	}
}

func TestACutSchemaIsASyntaxErrorWhereverItIsCut(t *testing.T) {
	raw := recorded(t, "5.2")
	for n := 0; n < len(raw); n += 1 + n/50 {
		_, err := schema.Parse(raw[:n])
		require.ErrorAs(t, err, new(*schema.SyntaxError), "after %d bytes", n)
	}
}

// QEMU sends no such thing; a peer that does must not hang or crash us.
func TestTypesThatGoRoundInCirclesEnd(t *testing.T) {
	s, err := schema.Parse(json.RawMessage(`[
		{"name": "c", "meta-type": "command", "arg-type": "o", "ret-type": "l"},
		{"name": "l", "meta-type": "array", "element-type": "m"},
		{"name": "m", "meta-type": "array", "element-type": "l"},
		{"name": "a", "meta-type": "alternate", "members": [{"type": "a"}, {"type": "b"}]},
		{"name": "b", "meta-type": "alternate", "members": [{"type": "a"}, {"type": "o"}]},
		{"name": "o", "meta-type": "object", "tag": "t", "members": [
			{"name": "t", "type": "str"}, {"name": "a", "type": "a", "default": null}, {"name": "o", "type": "o", "default": null},
			{"name": "l", "type": "l", "default": null}],
		 "variants": [{"case": "x", "type": "o"}]},
		{"name": "str", "meta-type": "builtin", "json-type": "string"}]`))
	require.NoError(t, err)
	require.Equal(t, "c {t: str, a?: … or …, o?: {t: str, a?: …, o?: {…}, l?: [[…]], …}, l?: [[…]], …} -> [[…]]", s.Command("c").String())
	require.NotEmpty(t, s.Command("c").Describe(4))
	require.True(t, s.Has("c a o l"))
	require.False(t, s.Has("c -> x"))
	require.NoError(t, s.Check("c", json.RawMessage(`{"t": "x", "o": {"t": "x"}, "l": [[[]]]}`)))
	require.Error(t, s.Check("c", json.RawMessage(`{"t": "x", "y": 1}`)))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"name": "query-status", "ret-type": "1", "meta-type": "command", "arg-type": "0"}, {"name": "STOP", "meta-type": "event", "arg-type": "0"}]`))
	f.Add([]byte(`[{"name": "0", "members": [], "meta-type": "object"}, {"name": "[1]", "element-type": "1", "meta-type": "array"}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := schema.Parse(raw)
		if err != nil {
			require.ErrorAs(t, err, new(*schema.SyntaxError))
			return
		}
		require.True(t, json.Valid(raw), "what isn't JSON was read")
		for _, name := range s.Commands() {
			c := s.Command(name)
			_ = c.String()
			_ = c.Describe(2)
			_ = s.Complete(name + " ")
			_ = s.Check(name, json.RawMessage(`{"a": [{"b": "c"}]}`))
		}
	})
}

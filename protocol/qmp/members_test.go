package qmp_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

func TestMembersAreFoundHoweverTheyAreWritten(t *testing.T) {
	require.Equal(t, map[string]string{
		"return": `[{"a": "}\"]"}, [[]], -1.5e+3]`, "id": "7", "\u00e9": "null", "x": `"\\"`, "": "{}", "last": "true",
	}, qmp.Members([]byte("{ \"return\"\t:\r\n[{\"a\": \"}\\\"]\"}, [[]], -1.5e+3],\"id\":7 ,\"\\u00e9\": null, \"x\" : \"\\\\\",\"\":{},\"last\":true\n}")))
	require.Empty(t, qmp.Members([]byte("{ \r\n}")))
	require.Equal(t, map[string]string{"a": "2"}, qmp.Members([]byte(`{"a": 1, "a": 2}`)))
}

// The members are those that encoding/json finds, byte for byte.
func FuzzMembers(f *testing.F) {
	for _, object := range []string{
		`{}`, `{"return": {}, "id": 1}`, `{ "a" : "\"" , "b":[{"]":"}"}],"c":-1e5}`, `{"\ud83d\ude00":null,"\\":"\\"}`, "{\r\n    \"return\": {\r\n    }\r\n}",
	} {
		f.Add([]byte(object))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		object = bytes.TrimSpace(object)
		if !json.Valid(object) || object[0] != '{' || !utf8.Valid(object) {
			t.Skip("not an object")
		}
		var want map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(object, &want))
		got := qmp.Members(object)
		require.Len(t, got, len(want))
		for name, value := range want {
			require.Equal(t, string(value), got[name])
		}
	})
}

// A command's name is JSON, whatever a caller takes for one.
func FuzzText(f *testing.F) {
	for _, s := range []string{"query-status", "", "\"", "\\", "\x00", "\u2028", "é", "\xff", "\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		require.NoError(t, err)
		var a, b string
		require.NoError(t, json.Unmarshal(want, &a))
		require.NoError(t, json.Unmarshal(qmp.AppendText(nil, s), &b))
		require.Equal(t, a, b)
	})
}

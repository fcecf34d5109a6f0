package stream_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// css is a stream of one device, with some payload and description of its fields.
func css(payload, fields string) []byte {
	b := build().machine("tiny")
	b.section(4, 3, "css", 1, func() { b.raw(payload) })
	return b.end(`{"page_size": 4096, "devices": [{"name": "css", "instance_id": 0, "vmsd_name": "css", "version": 1, "fields": [` + fields + `]}]}`)
}

const image = `"type": "struct", "size": 5, "struct": {"vmsd_name": "image", "version": 1, "fields": [{"name": "b", "type": "uint8", "size": 1}, {"name": "n", "type": "uint32", "size": 4}]}`

// TestArraysOfPointersThatTheirFirstElementDescribesAreSound, as QEMU before 10.0
// describes them: what can be found out of their elements is.
func TestArraysOfPointersThatTheirFirstElementDescribesAreSound(t *testing.T) {
	const first, last = `{"name": "first", "type": "uint8", "size": 1}`, `{"name": "last", "type": "uint16", "size": 2}`
	array := func(length int, what string) string {
		return fmt.Sprintf(`{"name": "images", "array_len": %d, %s}`, length, what)
	}
	const null, empty = `"type": "nullptr", "size": 1`, `"type": "struct", "struct": {}, "size": 1`
	for name, c := range map[string]struct {
		payload, fields string
		values          map[string]string // nil where the fields can't be told
	}{
		"null first, by its name": {
			"\x0900\x01\x02\x03\x04\x050\x00\x07", first + "," + array(4, null) + "," + last,
			map[string]string{"first": "0x9", "last": "0x7", "images": "3030010203040530"},
		},
		"null first, as an empty struct": {
			"\x0900\x01\x02\x03\x04\x050\x00\x07", first + "," + array(4, empty) + "," + last,
			map[string]string{"first": "0x9", "last": "0x7", "images": "3030010203040530"},
		},
		"a struct first": {
			"\x09\x01\x00\x00\x00\x0500\x06\x00\x00\x00\x080\x00\x07", first + "," + array(5, image) + "," + last,
			map[string]string{"first": "0x9", "last": "0x7", "images[0]/n": "0x5", "images[1]": "30", "images[2]": "30", "images[3]/n": "0x8", "images[4]": "30"},
		},
		"structs that look like null pointers": {
			"\x09000000000000\x00\x07", first + "," + array(4, image) + "," + last,
			map[string]string{"first": "0x9", "last": "0x7", "images[0]/b": "0x30"},
		},
		"two arrays, a struct first": {
			"\x01\x00\x00\x00\x050\x00\x07" + "0\x00\x00\x00\x0900", array(2, image) + "," + last + "," + strings.ReplaceAll(array(3, image), "images", "more"),
			map[string]string{"images[0]/n": "0x5", "images[1]": "30", "last": "0x7", "more[0]/n": "0x9", "more[1]": "30", "more[2]": "30"},
		},
		"in a struct": {
			"\x01\x00\x00\x00\x0500\x00\x07", `{"name": "in", "type": "struct", "size": 15, "struct": {"vmsd_name": "in", "version": 1, "fields": [` + array(3, image) + `]}},` + last,
			map[string]string{"in/images[0]/n": "0x5", "in/images[2]": "30", "last": "0x7"},
		},
		"two arrays, null first": {
			"00\x01\x02\x0300", array(3, null) + "," + array(3, null), nil,
		},
		"elements of no fixed size": {
			"\x03abc\x02de", `{"name": "names", "array_len": 2, "type": "capability", "size": 4}`, nil,
		},
		"structs with elements of no fixed size": {
			"\x03abc\x02de", `{"name": "names", "array_len": 2, "type": "struct", "size": 4, "struct": {"vmsd_name": "s", "version": 1, "fields": [{"name": "x", "type": "buffer", "size": 4}]}}`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, said := both(t, css(c.payload, c.fields))
			require.Empty(t, said)
			require.Len(t, s.Remarks(), 1)
			require.Contains(t, s.Remarks()[0].What, fmt.Sprintf("section 3 (css) has %d bytes, and the description says", len(c.payload)))
			device := s.Device("css", 0)
			require.Equal(t, c.values == nil, device.Fields == nil)
			for path, value := range c.values {
				f := device.Field(path)
				require.NotNil(t, f, path)
				require.Equal(t, value, f.Value, path)
			}
			if c.values != nil {
				require.EqualValues(t, len(c.payload), size(device.Fields))
			}
		})
	}
}

// TestSizesThatNoPointerExplainsAreProblems.
func TestSizesThatNoPointerExplainsAreProblems(t *testing.T) {
	structs := `{"name": "images", "array_len": 3, ` + image + `}`
	for name, c := range map[string]struct{ payload, fields string }{
		"no null where one is missing":    {"\x01\x00\x00\x00\x05" + "1" + "\x06\x00\x00\x00\x08", structs},
		"the first is missing":            {"0" + "\x01\x00\x00\x00\x05" + "\x06\x00\x00\x00\x08", structs},
		"all are missing":                 {"000", structs},
		"half a struct":                   {"\x01\x00\x00\x00\x05" + "0" + "\x06\x00", structs},
		"more than all":                   {strings.Repeat("0", 16), structs},
		"no null first":                   {"1\x01\x02\x03\x04\x050", `{"name": "images", "array_len": 3, "type": "nullptr", "size": 1}`},
		"a null alone":                    {"0\x01", `{"name": "images", "type": "nullptr", "size": 1}`},
		"numbers":                         {"\x00\x01\x00", `{"name": "n", "array_len": 3, "type": "uint16", "size": 2}`},
		"fewer than the null pointers":    {"00", `{"name": "images", "array_len": 3, "type": "nullptr", "size": 1}`},
		"an array that is longer than it": {"\x01\x00\x00\x00\x050", `{"name": "images", "array_len": 4294967295, ` + image + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, said := both(t, css(c.payload, c.fields))
			require.Contains(t, said, fmt.Sprintf("section 3 (css) has %d bytes, and the description says", len(c.payload)))
			require.Empty(t, s.Remarks())
		})
	}
}

// TestS390xOfQEMUBefore10IsSound: of 256 channel subsystems one is there.
func TestS390xOfQEMUBefore10IsSound(t *testing.T) {
	s, err := readFile(recorded(t, "7.2-s390x"), stream.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Check())
	require.Len(t, s.Remarks(), 1)
	device := s.Device("s390_css", 0)
	require.EqualValues(t, 256-1+3*256, device.Field("css").Size)
	require.Equal(t, "0xfe", device.Field("default_cssid").Value)
}

// TestCapabilitiesAreHeldAgainstTheirDescription, of which there is one for all of them.
func TestCapabilitiesAreHeldAgainstTheirDescription(t *testing.T) {
	stream := func(length int, names ...string) []byte {
		return build().machine("x").capabilities(names...).end(fmt.Sprintf(`{"configuration": {"vmsd_name": "configuration", "version": 1,
			"fields": [{"name": "len", "type": "uint32", "size": 4}, {"name": "name", "type": "buffer", "size": 1}],
			"subsections": [{"vmsd_name": "configuration/capabilities", "version": 1, "fields": [
				{"name": "caps_count", "type": "uint32", "size": 4},
				{"name": "capabilities", "array_len": %d, "type": "capability", "size": %d}]}]}, "devices": []}`, length, 1+len(names[0])))
	}
	for _, names := range [][]string{{"a", "bcd"}, {"x-ignore-shared", "a", "b"}, {"a", "b"}} {
		_, said := both(t, stream(len(names), names...))
		require.Empty(t, said)
	}
	_, said := both(t, stream(4, "a", "bcd"))
	require.Contains(t, said, "the configuration has 47 bytes, and the description says 49")
}

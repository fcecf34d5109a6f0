package preflight_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/preflight"
)

// stream is one with a description, and something before it.
func stream(text string) []byte {
	s := []byte("QEVM\x00\x00\x00\x03\x06\x06")
	s = append(s, 0x00, 0x06)
	s = binary.BigEndian.AppendUint32(s, uint32(len(text)))
	return append(s, text...)
}

const described = `{"page_size": 4096, "devices": [
	{"name": "0000:00:01.1/ide", "instance_id": 0, "vmsd_name": "ide", "version": 3, "fields": [
		{"name": "cmd", "type": "uint8", "size": 1},
		{"name": "bmdma", "index": 0, "type": "struct", "struct": {"vmsd_name": "b", "version": 1, "fields": [
			{"name": "addr", "type": "uint32", "size": 4}]}, "size": 4},
		{"name": "bmdma", "index": 1, "type": "struct", "struct": {"vmsd_name": "b", "version": 1, "fields": [
			{"name": "addr", "type": "uint32", "size": 4}],
			"subsections": [{"vmsd_name": "b/more", "version": 2, "fields": [{"name": "x", "type": "bool", "size": 1}]}]}, "size": 4},
		{"name": "tmp", "type": "tmp", "vmsd_name": "t", "version": 0, "fields": [{"name": "exp", "type": "uint16", "size": 2}], "size": 2},
		{"name": "regs", "array_len": 16, "type": "uint64", "size": 8}]}]}`

func TestStreamIsReadFromItsDescription(t *testing.T) {
	sections, err := preflight.ParseStream(stream(described))
	require.NoError(t, err)
	require.Equal(t, []preflight.Section{{
		Name: "0000:00:01.1/ide", State: "ide", Version: 3,
		Fields: []preflight.Field{
			{Name: "cmd", Type: "uint8", Size: 1, Count: 1},
			{Name: "bmdma", Type: "struct", Count: 2, Fields: []preflight.Field{{Name: "addr", Type: "uint32", Size: 4, Count: 1}}},
			{Name: "tmp", Type: "tmp", Count: 1, Fields: []preflight.Field{{Name: "exp", Type: "uint16", Size: 2, Count: 1}}},
			{Name: "regs", Type: "uint64", Size: 8, Count: 16},
		},
		Subsections: []preflight.Section{{Name: "b/more", State: "b/more", Version: 2, Fields: []preflight.Field{{Name: "x", Type: "bool", Size: 1, Count: 1}}}},
	}}, sections)
}

// TestDescriptionIsFoundWhateverItsLength, also where a byte of the length is the
// mark itself.
func TestDescriptionIsFoundWhateverItsLength(t *testing.T) {
	for _, length := range []int{6, 0x0600, 0x0606, 0x1006, 0x60600} {
		text := fmt.Sprintf(`{"devices": [{"name": "a"}], "pad": %q}`, make([]byte, 0))
		if short := length - len(text); short > 0 {
			text = text[:len(text)-2] + string(spaces(short)) + text[len(text)-2:]
		}
		sections, err := preflight.ParseStream(stream(text))
		require.NoError(t, err)
		require.Equal(t, "a", sections[0].Name)
	}
}

func spaces(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = ' '
	}
	return b
}

func TestStreamWithoutADescriptionIsAnError(t *testing.T) {
	for _, s := range [][]byte{nil, []byte("QEVM"), {6}, {6, 0, 0, 0}, stream(described)[:100], append(stream(described), 0)} {
		_, err := preflight.ParseStream(s)
		require.Error(t, err)
	}
	_, err := preflight.ParseStream(stream("nonsense"))
	require.ErrorContains(t, err, "description")
}

func TestBlocksOfOldAndNewMonitors(t *testing.T) {
	require.Equal(t, []preflight.Block{{"pc.ram", 0x8000000, 0x8000000}, {"/rom@etc/table-loader", 0x1000, 0x10000}}, preflight.ParseBlocks(
		"              Block Name    PSize              Offset               Used              Total\r\n"+
			"                  pc.ram    4 KiB  0x0000000000000000 0x0000000008000000 0x0000000008000000\r\n"+
			"   /rom@etc/table-loader    4 KiB  0x00000000082c0000 0x0000000000001000 0x0000000000010000 0x00007f52c7e00000  ro\r\n"))
}

func TestDevicesAreNamedOnce(t *testing.T) {
	require.Equal(t, []string{"i8257", "isa-serial"}, preflight.ParseDevices(
		"bus: main-system-bus\r\n  dev: isa-serial, id \"\"\r\n    gpio-out \"\" 1\r\n  dev: i8257, id \"\"\r\n  dev: i8257, id \"a\"\r\n"))
}

func TestTypesAreReadWithAllTheirSubsections(t *testing.T) {
	types, err := preflight.ParseTypes([]byte(`{"vmschkmachine": {"Name": "pc"}, "none": {"Name": "none", "version_id": 1, "minimum_version_id": 1},
		"isa-fdc": {"Name": "isa-fdc", "version_id": 2, "minimum_version_id": 1, "Description": {"name": "fdc", "version_id": 2, "minimum_version_id": 1,
		"Fields": [{"field": "state", "version_id": 1, "field_exists": false, "size": 9, "Description": {"name": "fdc", "Fields": [{"field": "phase", "Description": {"name": "phase", "Fields": [{"field": "of"}]}}],
			"Subsections": [{"name": "fdc/phase", "version_id": 1, "minimum_version_id": 1}]}}],
		"Subsections": [{"name": "a", "version_id": 1, "Subsections": [{"name": "a/b"}]}]}}}`))
	require.NoError(t, err)
	require.Equal(t, map[string]preflight.State{
		"none": {Name: "none", Version: 1, Minimum: 1},
		"isa-fdc": {
			Name: "fdc", Version: 2, Minimum: 1, Fields: []preflight.Conditional{{Name: "state", Since: 1, Fields: []preflight.Conditional{{Name: "phase", Fields: []preflight.Conditional{{Name: "of"}}}}}},
			Subsections: []preflight.State{
				{Name: "a", Version: 1, Subsections: []preflight.State{{Name: "a/b"}}}, {Name: "a/b"}, {Name: "fdc/phase", Version: 1, Minimum: 1},
			},
		},
	}, types)
	for _, broken := range []string{"", "[]", `{"a": 1}`} {
		_, err := preflight.ParseTypes([]byte(broken))
		require.Error(t, err)
	}
}

func FuzzParseStream(f *testing.F) {
	// Short ones, for the fuzzer tries to make shorter what it finds, in a time of which the
	// length is the square.
	f.Add([]byte{6, 0, 0, 0, 2, '{', '}'})
	for _, description := range []string{
		`{"page_size":4096,"devices":[]}`,
		`{"devices":[{"name":"a","instance_id":0,"vmsd_name":"a","version":3,"fields":[{"name":"c","type":"uint8","size":1}]}]}`,
		`{"devices":[{"vmsd_name":"a","fields":[{"name":"r","array_len":16,"type":"uint64","size":8}]}]}`,
		`{"devices":[{"vmsd_name":"a","fields":[{"name":"b","index":1,"type":"struct","struct":{"fields":[]},"size":4}]}]}`,
		`{"devices":[{"vmsd_name":"a","subsections":[{"vmsd_name":"a/b","version":2,"fields":[]}]}]}`,
	} {
		f.Add(stream(description))
	}
	f.Fuzz(func(_ *testing.T, s []byte) {
		sections, err := preflight.ParseStream(s)
		if err == nil {
			d := &preflight.Description{Sections: sections}
			preflight.Compare(d, d)
		}
	})
}

package stream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// put overwrites what stands at a place.
func put(at int, with string) func([]byte) []byte {
	return func(b []byte) []byte { copy(b[at:], with); return b }
}

// swap puts one text of the same length in the place of another, everywhere.
func swap(text, with string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(text), []byte(with)) }
}

// redescribe changes the description.
func redescribe(text, with string) func([]byte) []byte {
	return func(b []byte) []byte {
		at := bytes.LastIndex(b, []byte("\x06\x00"))
		d := strings.Replace(string(b[at+5:]), text, with, 1)
		if d == string(b[at+5:]) {
			panic(text + " is not in the description")
		}
		return append(binary.BigEndian.AppendUint32(b[:at+1], uint32(len(d))), d...)
	}
}

// cut leaves out so many bytes from where the text ends, or begins for n below 0.
func cut(text string, n int) func([]byte) []byte {
	return func(b []byte) []byte {
		at := bytes.Index(b, []byte(text)) + len(text)
		return append(b[:at:at], b[at+n:]...)
	}
}

const device = "\x00\x00\x00\x03\x04lamp" // the head of the only one

func TestDoctoredStreamsAreFoundOut(t *testing.T) {
	for name, c := range map[string]struct {
		doctor func([]byte) []byte
		said   []string
	}{
		"another file":              {put(0, "\x7fELF"), []string{`no migration stream: it begins with "\x7fELF"`, "byte 0, in the header"}},
		"an older format":           {put(7, "\x02"), []string{"version 2 of the format"}},
		"a part that means nothing": {put(17, "\x55"), []string{"begins with 0x55, which means nothing, at byte 17"}},
		"another version of RAM":    {swap("\x03ram\x00\x00\x00\x00\x00\x00\x00\x04", "\x03ram\x00\x00\x00\x00\x00\x00\x00\x05"), []string{"version 5 of RAM", "in section 9 (ram)"}},
		"unknown flags":             {swap("\x02\x06pc.ram\x00\x00", "\x82\x06pc.ram\x00\x00"), []string{"RDMA"}},
		"flags together":            {swap("\x02\x06pc.ram\x00\x00", "\x0a\x06pc.ram\x00\x00"), []string{"flags 0xa, which mean nothing together"}},
		"a page of no block":        {swap("\x02\x06pc.ram\x00", "\x02\x06xx.ram\x00"), []string{`block "xx.ram", which is not in the list`}},
		"a first page that goes on": {swap("\x00\x02\x06pc.ram", "\x00\x22\x06pc.ram"), []string{"there is none before"}},
		"a page beyond its block":   {swap("\x00\x02\x06pc.ram", "\x10\x02\x06pc.ram"), []string{"a page at 0x1000 of block pc.ram, which has 0x1000 bytes", "1 of the 1 pages of block pc.ram were not sent"}},
		"a page that was not sent":  {func([]byte) []byte { return pageMissing() }, []string{"1 of the 600 pages of block pc.ram were not sent, the first of them page 555"}},
		"a device's other footer":   {swap("\xbe\xef\x7e\x00\x00\x00\x03", "\xbe\xef\x7e\x00\x00\x00\x04"), []string{"the footer of section 3 (lamp) has the number 4"}},
		"blocks beyond all RAM":     {swap("\x06pc.ram\x00\x00\x00\x00\x00\x00\x10", "\x06pc.ram\x00\x00\x00\x00\x00\x00\x20"), []string{"0x2000 bytes, and only 0x1000 are left"}},
		"another footer":            {swap("\x7e\x00\x00\x00\x09\x04", "\x7e\x00\x00\x00\x08\x04"), []string{"the footer of section 9 (ram) has the number 8"}},
		"a number twice":            {func([]byte) []byte { return numberTwice() }, []string{"section 9 (lamp) has the number of section 9 (ram)"}},
		"a part of nothing":         {swap("\x03\x00\x00\x00\x09", "\x03\x00\x00\x00\x0a"), []string{"a part of section 10, which has not begun"}},
		"a subsection's name":       {swap("\x0blamp/colour", "\x0blamp/corner"), []string{"subsection lamp/colour of section 3 (lamp) is described here"}},
		"a device's version":        {swap(device+"\x00\x00\x00\x00\x00\x00\x00\x01", device+"\x00\x00\x00\x00\x00\x00\x00\x02"), []string{"section 3 (lamp) has version 2, and the description says 1"}},
		"a device's instance":       {swap(device+"\x00\x00\x00\x00", device+"\x00\x00\x00\x01"), []string{"section 3 (lamp, instance 1) is not in the description", "has lamp (instance 0), and the stream has it 0 times"}},
		"a byte too few":            {cut(device+"\x00\x00\x00\x00\x00\x00\x00\x01", 1), []string{"has 23 bytes, and the description says 24"}},
		"a size that isn't so":      {redescribe(`"size": 4`, `"size": 5`), []string{"has 24 bytes, and the description says 25"}},
		"a size with the footer":    {redescribe(`"size": 2`, `"size": 7`), []string{"has 24 bytes, and the description says 29"}},
		"a field more":              {redescribe(`"fields": [`, `"fields": [{"name": "more", "type": "uint8", "size": 1},`), []string{"has 24 bytes, and the description says 25"}},
		"a device more":             {redescribe(`"devices": [`, `"devices": [{"name": "door", "instance_id": 0, "vmsd_name": "door", "version": 1, "fields": []},`), []string{"has door (instance 0), and the stream has it 0 times"}},
		"a device fewer":            {redescribe(`"name": "lamp"`, `"name": "door"`), []string{"section 3 (lamp) is not in the description"}},
		"a configuration that isn't": {
			redescribe(`"devices"`, `"configuration": {"vmsd_name": "configuration", "version": 1, "fields": [{"name": "len", "type": "uint32", "size": 4}]}, "devices"`),
			[]string{"the configuration has 8 bytes, and the description says 4"},
		},
		"structs that don't add up": {
			redescribe(`"size": 4}`, `"size": 4, "struct": {"vmsd_name": "s", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}]}}`),
			[]string{"field hours of section 3 (lamp) is described with 4 bytes, and what is in it with 1"},
		},
		"no JSON":              {redescribe(`"devices"`, `devices`), []string{"the description: invalid character"}},
		"sizes below zero":     {redescribe(`"size": 4`, `"size": -4`), []string{"the description: size is -4, and should be a number"}},
		"something behind it":  {func(b []byte) []byte { return append(b, "more"...) }, []string{"4 bytes stand behind the end"}},
		"an end before RAM's":  {func([]byte) []byte { return withoutRAMsEnd() }, []string{"section 9 (ram) has a beginning and no end", "1 of the 1 pages"}},
		"RAM after its end":    {func([]byte) []byte { return ramAfterItsEnd() }, []string{"a part of section 9 (ram) comes after its end", "a second list of the blocks"}},
		"changes of nothing":   {func([]byte) []byte { return xbzrleFirst() }, []string{"what has changed of the page at 0x0 of block pc.ram, which was not sent before"}},
		"a package too short":  {func([]byte) []byte { return packaged(30) }, []string{"bytes beyond its end"}},
		"a package in another": {func([]byte) []byte { return packagedTwice() }, []string{"a package inside of a package"}},
		"a list that isn't":    {redescribe(`"subsections": [`, `"subsections": {"a": [`), []string{"the description: { stands where a [ should"}},
		"a name that isn't":    {redescribe(`"name": "lamp"`, `"name": 7`), []string{"the description: name is 7, and should be a string"}},
		"an object missing":    {redescribe(`"fields": [`, `"fields": 7, "more": [`), []string{"the description: 7 stands where a [ should"}},
		"more behind the JSON": {redescribe(`]}]}]}`, `]}]}]} 1`), []string{"something stands behind its end"}},
		"half a description":   {redescribe(`]}]}]}`, `]}]`), []string{"the description: unexpected EOF"}},
		"unknown agreement":    {func([]byte) []byte { return build().machine("x").u8(5).name("configuration/new").u32(1).u8(0).end("") }, []string{`"configuration/new" is not known`}},
		"two blocks of a name": {func([]byte) []byte { return twoBlocks("pc.ram", "pc.ram") }, []string{`a second block of RAM named "pc.ram"`}},
		"a block of no name":   {func([]byte) []byte { return twoBlocks("pc.ram", "") }, []string{"a block of RAM without a name"}},
		"a footer missing":     {func([]byte) []byte { return withoutAFooter() }, []string{"has no footer, where others have"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := tiny()
			after := c.doctor(tiny())
			require.NotEqual(t, before, after, "it was not doctored")
			_, said := both(t, after)
			for _, want := range c.said {
				require.Contains(t, said, want)
			}
		})
	}
}

func numberTwice() []byte {
	b := build()
	b.ram(1, nothing, func() { b.page(0, 0x02).u8(0) })
	b.section(4, 9, "lamp", 1, func() { b.u8(1).u32(7).u8(5).name("lamp/colour").u32(2).u16(3) })
	return b.end(tinyDescription)
}

func pageMissing() []byte {
	b := build()
	b.ram(600, nothing, func() {
		for n := range 600 {
			if n != 555 {
				b.page(n, 0x02).u8(0)
			}
		}
	})
	return b.end(noDevices)
}

func withoutRAMsEnd() []byte {
	b := build()
	b.section(1, 9, "ram", 4, func() { b.u64(4096 | 4).name("pc.ram").u64(4096).u64(0x10) })
	return b.end(noDevices)
}

func ramAfterItsEnd() []byte {
	b := build()
	b.ram(1, nothing, func() { b.page(0, 0x02).u8(0) })
	b.section(2, 9, "", 0, func() { b.u64(4096|4).name("pc.ram").u64(4096).page(0, 0x02).u8(0).u64(0x10) })
	return b.end(noDevices)
}

func xbzrleFirst() []byte {
	b := build()
	b.ram(1, nothing, func() { b.page(0, 0x40).u8(1).u16(0) })
	return b.end(noDevices)
}

func packaged(size uint32) []byte {
	b := build().u8(8).u16(7).u16(4).u32(size)
	b.section(4, 3, "lamp", 1, func() { b.raw("0123456789") })
	return b.end("")
}

func packagedTwice() []byte {
	return build().u8(8).u16(7).u16(4).u32(10).u8(8).u16(7).u16(4).u32(1).u8(0).end("")
}

func twoBlocks(one, other string) []byte {
	b := build()
	b.section(1, 9, "ram", 4, func() { b.u64(8192 | 4).name(one).u64(4096).name(other).u64(4096).u64(0x10) })
	return b.end(noDevices)
}

func withoutAFooter() []byte {
	b := build()
	b.ram(1, nothing, func() { b.page(0, 0x02).u8(0) })
	b.withoutFoot = true
	b.section(4, 3, "lamp", 1, func() { b.u8(1).u32(7).u8(5).name("lamp/colour").u32(2).u16(3) })
	return b.end(tinyDescription)
}

// TestATruncatedStreamSaysWhereItEnds, wherever that is.
func TestATruncatedStreamSaysWhereItEnds(t *testing.T) {
	for name, step := range map[string]int{"7.2": 3989, "11.1-mapped-ram": 400_009, "11.1-postcopy": 4999} {
		b := recorded(t, name)
		for n := 0; n < len(b)-1; n += step {
			s, err := readFile(b[:n], stream.Options{})
			broken, ok := errors.AsType[*stream.Error](err)
			require.True(t, ok, "%s cut at %d: %v", name, n, err)
			require.ErrorContains(t, err, "truncated", "%s cut at %d", name, n)
			require.NotNil(t, s)
			s.Check()
			if name == "11.1-mapped-ram" {
				continue // the gap in front of the pages is missed before it is read
			}
			require.True(t, broken.Truncated())
			require.EqualValues(t, n, broken.Offset)
			_, err = stream.Read(bytes.NewReader(b[:n]), stream.Options{})
			require.ErrorContains(t, err, "truncated at byte ")
		}
	}
}

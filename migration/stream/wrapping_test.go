package stream_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// libvirt is the header of a save image, in some byte order.
func libvirt(magic string, order binary.AppendByteOrder, version, length, format uint32) []byte {
	b := []byte(magic)
	for _, n := range []uint32{version, length, 1, format, 0} {
		b = order.AppendUint32(b, n)
	}
	return append(b, make([]byte, 56)...)
}

func TestFilesAreKnownByTheirFirstBytes(t *testing.T) {
	little, big := binary.LittleEndian, binary.BigEndian
	const save, part = "LibvirtQemudSave", "LibvirtQemudPart"
	for name, c := range map[string]struct {
		head []byte
		want stream.Wrapping
	}{
		"libvirt":                      {libvirt(save, little, 2, 4004, 0), stream.Wrapping{Name: "a save image of libvirt", Offset: 4096}},
		"libvirt, not finished":        {libvirt(part, little, 2, 70_000, 0), stream.Wrapping{Name: "a save image of libvirt", Offset: 70_092, Unfinished: true}},
		"libvirt, of another host":     {libvirt(save, big, 2, 4004, 0), stream.Wrapping{Name: "a save image of libvirt", Offset: 4096}},
		"libvirt, mapped-ram":          {libvirt(save, little, 2, 4004, 6), stream.Wrapping{Name: "a save image of libvirt", Offset: 4096}},
		"libvirt, of long ago":         {libvirt(save, little, 1, 4004, 1), stream.Wrapping{Name: "a save image of libvirt", Offset: 4096}},
		"libvirt, gzip":                {libvirt(save, little, 2, 4004, 1), stream.Wrapping{Name: "a save image of libvirt, compressed with gzip", Offset: 4096, Unpack: "zcat"}},
		"libvirt, bzip2":               {libvirt(save, little, 2, 4004, 2), stream.Wrapping{Name: "a save image of libvirt, compressed with bzip2", Offset: 4096, Unpack: "bzcat"}},
		"libvirt, xz":                  {libvirt(save, little, 2, 4004, 3), stream.Wrapping{Name: "a save image of libvirt, compressed with xz", Offset: 4096, Unpack: "xzcat"}},
		"libvirt, lzop":                {libvirt(save, big, 2, 4004, 4), stream.Wrapping{Name: "a save image of libvirt, compressed with lzop", Offset: 4096, Unpack: "lzop -dc"}},
		"libvirt, zstd, not finished":  {libvirt(part, little, 2, 4004, 5), stream.Wrapping{Name: "a save image of libvirt, compressed with zstd", Offset: 4096, Unpack: "zstdcat", Unfinished: true}},
		"libvirt, in a format unknown": {libvirt(save, little, 2, 4004, 7), stream.Wrapping{Name: "a save image of libvirt", Offset: 4096, None: "its stream begins at byte 4096, compressed in the format 7, which is not known"}},
		"libvirt, of the future":       {libvirt(save, little, 3, 4004, 0), stream.Wrapping{Name: "a save image of libvirt", Offset: 92 + int64(swapped(4004)), None: "its version is 3, and those up to 2 are known"}},
		"libvirt, cut off":             {libvirt(save, little, 2, 4004, 0)[:91], stream.Wrapping{Name: "a save image of libvirt", None: "it ends in its header, which has 92 bytes"}},
		"gzip":                         {[]byte("\x1f\x8b\x08\x08"), stream.Wrapping{Name: "compressed with gzip", Unpack: "zcat"}},
		"zstd":                         {[]byte("\x28\xb5\x2f\xfd\x04"), stream.Wrapping{Name: "compressed with zstd", Unpack: "zstdcat"}},
		"xz":                           {[]byte("\xfd7zXZ\x00\x00"), stream.Wrapping{Name: "compressed with xz", Unpack: "xzcat"}},
		"bzip2":                        {[]byte("BZh91AY"), stream.Wrapping{Name: "compressed with bzip2", Unpack: "bzcat"}},
		"lzop":                         {[]byte("\x89LZO\x00\r\n\x1a\n\x10"), stream.Wrapping{Name: "compressed with lzop", Unpack: "lzop -dc"}},
		"lz4":                          {[]byte("\x04\x22\x4d\x18\x60"), stream.Wrapping{Name: "compressed with lz4", Unpack: "lz4cat"}},
		"tar":                          {append(make([]byte, 257), "ustar\x00"...), stream.Wrapping{Name: "a tar archive", Unpack: "tar -xOf"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, known := stream.FindWrapping(c.head)
			require.True(t, known)
			require.Equal(t, c.want, w)
		})
	}
}

func swapped(n uint32) uint32 {
	return binary.BigEndian.Uint32(binary.LittleEndian.AppendUint32(nil, n))
}

// TestFilesWithoutAStreamSayWhatLeadsToOne, each in a sentence.
func TestFilesWithoutAStreamSayWhatLeadsToOne(t *testing.T) {
	for head, name := range map[string]string{
		"QFI\xfb\x00\x00\x00\x03":          "a qcow2 image",
		"\x7fELF\x02\x01\x01":              "an ELF file",
		"KDUMP   \x06\x00\x00\x00":         "a dump of a guest's memory (kdump)",
		"makedumpfile\x00\x00\x00\x00":     "a dump of a guest's memory (flattened kdump)",
		"VMA\x00\x00\x00\x00\x01":          "a backup of Proxmox (VMA)",
		"Xen saved domain, xl format\n":    "a saved domain of Xen",
		"\x11\x22\x33\x44\x00\x00\x00\x01": "what went over a channel of multifd",
		"\x16\x03\x01\x02\x00":             "what went over a connection with TLS",
	} {
		w, known := stream.FindWrapping([]byte(head))
		require.True(t, known, "%q", head)
		require.Equal(t, name, w.Name)
		require.NotEmpty(t, w.None)
		require.Empty(t, w.Unpack)
	}
	for _, head := range []string{"", "Q", "QEVM\x00\x00\x00\x03", "\x1f", "plain text", "LibvirtQemud", strings.Repeat("\x00", 512)} {
		_, known := stream.FindWrapping([]byte(head))
		require.False(t, known, "%q", head)
	}
}

// TestAStreamIsFoundWhereItBegins, also over the ends of what is read at once.
func TestAStreamIsFoundWhereItBegins(t *testing.T) {
	for _, at := range []int64{0, 1, 4096, 256<<10 - 8, 256<<10 - 7, 256<<10 - 4, 256<<10 - 1, 256 << 10, 600_000} {
		b := append(bytes.Repeat([]byte("QEVM\x00\x00"), int(at)/6+1)[:at], tiny()...)
		f := bytes.NewReader(b)
		require.Equal(t, at, stream.FindStream(f, 0, int64(len(b))))
		require.Equal(t, at, stream.FindStream(f, at, int64(len(b))+5))
		require.EqualValues(t, -1, stream.FindStream(f, at+1, int64(len(b))))
		require.EqualValues(t, -1, stream.FindStream(f, 0, at+7))
	}
	require.EqualValues(t, -1, stream.FindStream(bytes.NewReader(nil), 0, 10))
}

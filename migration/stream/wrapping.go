package stream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// A Wrapping is what a file is that doesn't begin as a stream does, and how the stream
// comes out of it.
type Wrapping struct {
	Name string // such as "a save image of libvirt", for "... is %s"

	// Offset is how many bytes stand before the stream, or before what has to be
	// unpacked.
	Offset int64
	// Unpack is a command that reads the packed stream from its standard input or from
	// the file named behind it, and writes it to its standard output, such as "zcat"; ""
	// where nothing is packed.
	Unpack string
	// Unfinished says that whoever wrote the file hadn't come to its end.
	Unfinished bool
	// None says, where it isn't "", why there is no stream in it that could be read, and
	// what else leads to one.
	None string
}

// WrappingHead is how many bytes of a file's beginning [FindWrapping] wants.
const WrappingHead = 512

// FindWrapping says what a file is by its first bytes, of which there should be
// [WrappingHead] unless the file has fewer. It says false of what it doesn't know, and of
// a stream.
func FindWrapping(head []byte) (Wrapping, bool) {
	for _, magic := range []string{libvirtMagic, libvirtPartMagic} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return libvirtImage(head), true
		}
	}
	for _, known := range wrappings {
		if bytes.HasPrefix(head[min(known.at, len(head)):], []byte(known.magic)) {
			return known.Wrapping, true
		}
	}
	return Wrapping{}, false
}

// wrappings are known by some bytes at a place.
var wrappings = []struct {
	at    int
	magic string
	Wrapping
}{
	{0, "\x1f\x8b", packed("gzip", "zcat")},
	{0, "\x28\xb5\x2f\xfd", packed("zstd", "zstdcat")},
	{0, "\xfd7zXZ\x00", packed("xz", "xzcat")},
	{0, "\x5d\x00\x00", packed("lzma", "xzcat")},
	{0, "BZh", packed("bzip2", "bzcat")},
	{0, "\x89LZO\x00\r\n\x1a\n", packed("lzop", "lzop -dc")},
	{0, "\x04\x22\x4d\x18", packed("lz4", "lz4cat")},
	{0, "LZIP", packed("lzip", "lzip -dc")},
	{0, "\x1f\x9d", packed("compress", "zcat")},
	{0, "PK\x03\x04", Wrapping{Name: "a zip archive", Unpack: "funzip"}},
	{257, "ustar", Wrapping{Name: "a tar archive", Unpack: "tar -xOf"}},
	{0, "QFI\xfb", Wrapping{
		Name: "a qcow2 image",
		None: `a snapshot that savevm left in it has to be taken out: list them with "qemu-img snapshot -l", load one with -loadvm and -S into the QEMU and the machine that took it, and send that with "migrate exec:cat>FILE"`,
	}},
	{0, "\x7fELF", Wrapping{
		Name: "an ELF file",
		None: `it is a program, or a dump of a guest's memory as dump-guest-memory writes it, which has no devices; a stream comes from "migrate exec:cat>FILE"`,
	}},
	{0, "KDUMP   ", Wrapping{
		Name: "a dump of a guest's memory (kdump)",
		None: `it has no devices; a stream comes from "migrate exec:cat>FILE"`,
	}},
	{0, "makedumpfile\x00", Wrapping{
		Name: "a dump of a guest's memory (flattened kdump)",
		None: `it has no devices; a stream comes from "migrate exec:cat>FILE"`,
	}},
	{0, "VMA\x00", Wrapping{Name: "a backup of Proxmox (VMA)", None: "it has the guest's disks and no stream"}},
	{0, "Xen saved domain", Wrapping{Name: "a saved domain of Xen", None: "it has no stream of a QEMU that migrates"}},
	{0, "\x11\x22\x33\x44\x00\x00\x00\x01", Wrapping{
		Name: "what went over a channel of multifd",
		None: "it has pages only; the stream went over the first connection, the main channel",
	}},
	{0, "\x16\x03\x01", overTLS},
	{0, "\x16\x03\x03", overTLS},
}

var overTLS = Wrapping{
	Name: "what went over a connection with TLS",
	None: "it is encrypted; record what comes out of it, or migrate without tls-creds",
}

func packed(with, unpack string) Wrapping {
	return Wrapping{Name: "compressed with " + with, Unpack: unpack}
}

// The header of a save image of libvirt (src/qemu/qemu_saveimage.h there): the magic, and
// numbers of 32 bits, in the byte order of the host.
const (
	libvirtMagic     = "LibvirtQemudSave"
	libvirtPartMagic = "LibvirtQemudPart"
	libvirtVersion   = 2  // the latest
	libvirtHeader    = 92 // bytes; behind it stand so many as the header has at byte 20
)

// libvirtFormats unpack what libvirt has packed, by its number: sparse is a stream of the
// capability mapped-ram.
var libvirtFormats = []struct{ name, unpack string }{
	{"raw", ""}, {"gzip", "zcat"}, {"bzip2", "bzcat"}, {"xz", "xzcat"}, {"lzop", "lzop -dc"}, {"zstd", "zstdcat"}, {"sparse", ""},
}

func libvirtImage(head []byte) Wrapping {
	w := Wrapping{Name: "a save image of libvirt", Unfinished: bytes.HasPrefix(head, []byte(libvirtPartMagic))}
	if len(head) < libvirtHeader {
		w.None = fmt.Sprintf("it ends in its header, which has %d bytes", libvirtHeader)
		return w
	}
	var order binary.ByteOrder = binary.LittleEndian
	if order.Uint32(head[16:]) > libvirtVersion {
		order = binary.BigEndian
	}
	version, length, format := order.Uint32(head[16:]), order.Uint32(head[20:]), order.Uint32(head[28:])
	w.Offset = libvirtHeader + int64(length)
	switch {
	case version > libvirtVersion:
		w.None = fmt.Sprintf("its version is %d, and those up to %d are known", binary.LittleEndian.Uint32(head[16:]), libvirtVersion)
	case version < 2: // which packed nothing
	case int64(format) >= int64(len(libvirtFormats)):
		w.None = fmt.Sprintf("its stream begins at byte %d, compressed in the format %d, which is not known", w.Offset, format)
	case libvirtFormats[format].unpack != "":
		w.Name += ", compressed with " + libvirtFormats[format].name
		w.Unpack = libvirtFormats[format].unpack
	}
	return w
}

// FindStream looks for where a stream begins at a place or behind it, up to a limit. It
// is -1 where none does.
func FindStream(f io.ReaderAt, from, limit int64) int64 {
	begin := binary.BigEndian.AppendUint32([]byte(magic), formatVersion)
	b := make([]byte, sourceSize)
	for at := from; at < limit; {
		n, err := f.ReadAt(b[:min(int64(len(b)), limit-at)], at)
		if i := bytes.Index(b[:n], begin); i >= 0 {
			return at + int64(i)
		}
		if err != nil || n < len(begin) {
			return -1
		}
		at += int64(n - len(begin) + 1)
	}
	return -1
}

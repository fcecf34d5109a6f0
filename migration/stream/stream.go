package stream

import (
	"fmt"
	"io"
)

// A Stream is what was found in one.
type Stream struct {
	Offset  int64  // where it begins in the file
	Size    int64  // bytes, with the description behind its end
	Version uint32 // of the format

	Configuration Configuration
	Sections      []*Section // in the order of their beginnings
	RAM           RAM
	Commands      []Command // the first 65536
	MoreCommands  int64     `json:",omitempty"` // those behind

	Ended         bool         // with the mark of its end
	Description   *Description `json:"-"` // nil where the stream has none
	Trailing      int64        // bytes in the file behind it; 0 where it wasn't read from a file, and of a volume
	TrailingZeros bool         `json:",omitempty"` // these are nothing but zeros

	footers  bool // behind each section stands its number again
	garbled  bool // there is a description, which can't be read
	listens  bool // the command postcopy-listen was among the commands
	problems problems
	remarks  problems
}

// A Configuration is what must be equal on both sides, and is told first.
type Configuration struct {
	Machine      string   // the machine type, with its version
	PageBits     int      `json:",omitempty"` // of the target's pages, where it has several sizes
	Capabilities []string `json:",omitempty"` // of migration, those that change the stream
	UUID         string   `json:",omitempty"` // the guest's, with the capability validate-uuid

	size int64 // bytes
}

// A Section is a piece of the machine: one device, or something live such as RAM,
// which is sent in parts while the guest runs.
type Section struct {
	ID       uint32
	Name     string // such as "0000:00:01.1/ide"
	Instance uint32
	Version  uint32
	Live     bool
	Packaged bool  `json:",omitempty"` // inside a package, as postcopy sends devices
	Offset   int64 // of its first payload in the file
	Size     int64 // bytes of payload, of all parts
	Parts    int   `json:",omitempty"` // how many; of a live section

	// Fields is what a device's payload means, in order. It is nil where the stream
	// doesn't describe the section.
	Fields []Field `json:",omitempty"`
	// Data is a device's payload.
	Data []byte `json:"-"`

	ended  bool
	footed bool // its own footer stands behind it, or behind its last part
}

// String names the section as errors do.
func (s *Section) String() string {
	if s.Instance == 0 {
		return fmt.Sprintf("section %d (%s)", s.ID, s.Name)
	}
	return fmt.Sprintf("section %d (%s, instance %d)", s.ID, s.Name, s.Instance)
}

// A Command is an order to the destination (QEMU_VM_COMMAND).
type Command struct {
	Code   uint16
	Name   string // "" where it is none of those known
	Offset int64  // in the file
	Size   int64  // bytes of what comes with it
}

// Device returns the section of that name and instance, nil where there is none.
func (s *Stream) Device(name string, instance uint32) *Section {
	for _, section := range s.Sections {
		if section.Name == name && section.Instance == instance {
			return section
		}
	}
	return nil
}

// Options say how a stream is read. The zero value will do.
type Options struct {
	// Offset is how many bytes of the file stand before the stream.
	Offset int64
	// PageSize is that of the target's pages, in bytes, from 256 to 65536. The stream is
	// believed before it where it tells it itself: the configuration, the command
	// postcopy-advise, the capability mapped-ram or the description does. Where nothing
	// does, zero has it found out from the pages; 4096 is tried first.
	PageSize int
	// Volume says that the file is larger than what was written to it, as a block device
	// is: what stands behind the stream is left alone. Only [ReadFile] looks at it.
	Volume bool
	// Page, where set, is called with each page of RAM in the order of the stream. Of
	// a mapped-ram file, where pages are in no order, it is called once for each
	// that is there, when all else has been read. An error ends the reading.
	Page func(Page) error
}

// Read reads a stream from front to back, up to its end. Where it goes wrong the error
// is an *[Error], and the Stream holds what came before that. Time and memory have
// bounds, whatever the bytes are: see the package's.
func Read(r io.Reader, o Options) (*Stream, error) {
	p := newParser(o)
	return p.readFrom(r)
}

func (p *parser) readFrom(r io.Reader) (*Stream, error) {
	p.from = r
	p.skip(p.Offset)
	return p.stream()
}

// ReadFile is Read for something that can be read in any place: mapped-ram files need
// that, and of any other the description at its end is known first. Zeros behind the
// stream's end are no fault of it, as on a volume that is larger.
func ReadFile(f io.ReaderAt, size int64, o Options) (*Stream, error) {
	p := newParser(o)
	return p.readFile(f, size)
}

func (p *parser) readFile(f io.ReaderAt, size int64) (*Stream, error) {
	p.file, p.size = f, size
	p.jump(p.Offset)
	if p.err == nil {
		p.describeAhead()
	}
	s, err := p.stream()
	if err == nil && !p.options.Volume {
		p.trailing()
	}
	return s, err
}

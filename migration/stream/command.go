package stream

import (
	"encoding/binary"
	"fmt"
)

// Commands' codes that mean something to a reader.
const (
	commandAdvise   = 3
	commandListen   = 4
	commandPackaged = 7
)

// commandNames are those of the commands by their codes (migration/savevm.c, enum
// qemu_vm_cmd in QEMU).
var commandNames = [...]string{
	"invalid", "open-return-path", "ping", "postcopy-advise", commandListen: "postcopy-listen", "postcopy-run",
	"postcopy-ram-discard", commandPackaged: "packaged", "enable-colo", "postcopy-resume", "recv-bitmap", "switchover-start",
}

// maxCommands is how many are kept; those behind are counted.
const maxCommands = 1 << 16

// String is the command's name, or its number.
func (c Command) String() string {
	if c.Name != "" {
		return c.Name
	}
	return fmt.Sprintf("command %d", c.Code)
}

func (p *parser) command(at int64) {
	c := Command{Code: p.u16(), Offset: at}
	p.in = "a command"
	size := p.u16()
	data := p.next(int(size))
	if p.err != nil {
		return
	}
	if int(c.Code) < len(commandNames) {
		c.Name = commandNames[c.Code]
	}
	p.in = "the command " + c.String()
	c.Size = int64(size)
	if c.Code == commandPackaged && size == 4 {
		c.Size = int64(binary.BigEndian.Uint32(data))
	}
	if len(p.Commands) < maxCommands {
		p.Commands = append(p.Commands, c)
	} else {
		p.MoreCommands++
	}
	switch {
	case c.Code == commandAdvise && size == 16:
		p.advised = binary.BigEndian.Uint64(data)
		p.learnPageSize(at, binary.BigEndian.Uint64(data[8:]), p.in)
	case c.Code == commandListen:
		p.listens = true
	case c.Code == commandPackaged && size == 4:
		p.packaged(at, c.Size)
	}
}

// packaged reads parts of the stream that were sent as one, so that the destination
// has them all before it begins to load them.
func (p *parser) packaged(at, size int64) {
	if p.until != 0 {
		p.fail(at, "a package inside of a package")
		return
	}
	p.until = p.offset() + size
	for p.err == nil && p.offset() < p.until {
		p.part()
	}
	if p.err == nil && p.offset() > p.until {
		p.problem(at, "what is in the package goes %d bytes beyond its end", p.offset()-p.until)
	}
	p.until = 0
}

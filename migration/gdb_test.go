package migration_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/protocol/qapi"
)

// Numbers of a vCPU's registers in QEMU's gdb stub for x86_64, where the guest runs 32-bit
// code (target/i386/gdbstub.c).
const (
	gdbFSBase, gdbKernelGSBase = 24, 26
	gdbCR2, gdbCR3, gdbEFER    = 28, 29, 32
	gdbFCW, gdbXMM3, gdbMXCSR  = 41, 52, 65
)

// The instruction pointer's, and that of the flags.
const gdbIP, gdbFlags = 16, 17

// setRegister changes a register of the destination's first vCPU, as a debugger does: QEMU
// stops the guest for it, and lets it run on. That the register has changed is for the caller
// to see.
func setRegister(number int, value uint64, size int) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		return debug(ctx, p.Destination, func(gdb *gdbSession) error {
			return errors.Join(gdb.choose(0), gdb.write(number, value, size))
		})
	}
}

// snippets is where RAM has nothing that a guest program or the firmware needs later, and
// where instructions that execute has put there begin: a place for each vCPU.
const snippets = 0x600

// execute makes a vCPU of the destination, the first being 0, execute 32-bit instructions
// that change no general register but EAX, and then go on where it was: so state can be
// changed that no debugger reaches. One that is halted does it when it is woken.
func execute(cpu int, code string) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		return debug(ctx, p.Destination, func(gdb *gdbSession) error {
			if err := gdb.choose(cpu); err != nil {
				return err
			}
			was, err := gdb.read(gdbIP, 8)
			if err != nil {
				return err
			}
			at := uint64(snippets + cpu*0x40)
			// push %eax; the code; pop %eax; push $was; ret
			text := append([]byte{0x50}, code...)
			text = append(text, 0x58, 0x68)
			text = append(binary.LittleEndian.AppendUint32(text, uint32(was)), 0xc3)
			if err := p.Destination.QTest().WriteMemory(ctx, at, text); err != nil {
				return err
			}
			return gdb.write(gdbIP, at, 8)
		})
	}
}

// A gdbSession is one with a QEMU's gdb stub.
type gdbSession struct {
	conn    net.Conn
	replies *bufio.Reader
}

// debug does something with a side's gdb stub, and lets the guest run on.
func debug(ctx context.Context, s *migration.Side, do func(gdb *gdbSession) error) error {
	dir, err := os.MkdirTemp("", "drover-gdb")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "gdb")
	if _, err := qapi.HumanMonitor(ctx, s.QMP(), "gdbserver unix:"+path+",server=on,wait=off"); err != nil {
		return err
	}
	defer func() { _, _ = qapi.HumanMonitor(ctx, s.QMP(), "gdbserver none") }()
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	gdb := &gdbSession{conn, bufio.NewReader(conn)}
	// A QEMU takes registers only from who has read what there are.
	err = errors.Join(gdb.ask("?"), gdb.ask("qXfer:features:read:target.xml:0,ffb"))
	if err == nil {
		err = do(gdb)
	}
	if err = errors.Join(err, gdb.ask("D")); err != nil {
		return err
	}
	status, err := qapi.QueryStatus(ctx, s.QMP())
	if err == nil && !status.Running {
		err = qapi.Cont(ctx, s.QMP())
	}
	return err
}

// whenever tries something with the destination's gdb stub again and again, until it is done.
func whenever(what string, try func(gdb *gdbSession) (done bool, err error)) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		return migration.Poll(ctx, what, func() (done bool, _ error) {
			err := debug(ctx, p.Destination, func(gdb *gdbSession) (err error) {
				done, err = try(gdb)
				return err
			})
			return done, err
		})
	}
}

// ask sends a packet, and waits for one. QEMU may send something of its own accord, so it
// need not be the answer.
func (g *gdbSession) ask(packet string) error {
	_, err := g.reply(packet)
	return err
}

// choose says whose registers are meant, the first vCPU being 0.
func (g *gdbSession) choose(vcpu int) error { return g.ask(fmt.Sprintf("Hg%x", vcpu+1)) }

// write changes a register of so many bytes, of the vCPU that was chosen.
func (g *gdbSession) write(number int, value uint64, size int) error {
	bytes := binary.LittleEndian.AppendUint64(nil, value)
	for len(bytes) < size {
		bytes = append(bytes, 0)
	}
	return g.ask(fmt.Sprintf("P%x=%s", number, hex.EncodeToString(bytes[:size])))
}

// read is a register of so many bytes, of the vCPU that was chosen: what else QEMU sends does
// not have as many digits.
func (g *gdbSession) read(number, size int) (uint64, error) {
	packet := fmt.Sprintf("p%x", number)
	for range 5 {
		text, err := g.reply(packet)
		if err != nil {
			return 0, err
		}
		if value, err := hex.DecodeString(text); err == nil && len(value) == size {
			return binary.LittleEndian.Uint64(append(value, make([]byte, 8-size)...)), nil
		}
	}
	return 0, fmt.Errorf("the gdb stub does not answer %s", packet)
}

// reply sends a packet of gdb's remote protocol, and returns what the next one says.
func (g *gdbSession) reply(packet string) (string, error) {
	sum := byte(0)
	for _, c := range []byte(packet) {
		sum += c
	}
	if _, err := fmt.Fprintf(g.conn, "$%s#%02x", packet, sum); err != nil {
		return "", err
	}
	if _, err := g.replies.ReadString('$'); err != nil {
		return "", err
	}
	text, err := g.replies.ReadString('#')
	if err != nil {
		return "", err
	}
	if _, err := g.replies.Discard(2); err != nil {
		return "", err
	}
	_, err = g.conn.Write([]byte("+"))
	return text[:len(text)-1], err
}

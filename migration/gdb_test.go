package migration_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
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

// setRegister changes a register of the destination's first vCPU, as a debugger does: QEMU
// stops the guest for it, and lets it run on.
func setRegister(number int, value uint64, size int) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		dir, err := os.MkdirTemp("", "drover-gdb")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		path, d := filepath.Join(dir, "gdb"), p.Destination
		if _, err := qapi.HumanMonitor(ctx, d.QMP(), "gdbserver unix:"+path+",server=on,wait=off"); err != nil {
			return err
		}
		defer func() { _, _ = qapi.HumanMonitor(ctx, d.QMP(), "gdbserver none") }()
		conn, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if deadline, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(deadline)
		}
		bytes := binary.LittleEndian.AppendUint64(nil, value)
		for len(bytes) < size {
			bytes = append(bytes, 0)
		}
		replies := bufio.NewReader(conn)
		// A QEMU takes registers only from who has read what there are. It may send something
		// of its own accord, so a reply can't be held against its packet here: that the
		// register has changed is for the caller to see.
		set := fmt.Sprintf("P%x=%s", number, hex.EncodeToString(bytes[:size]))
		for _, packet := range []string{"?", "qXfer:features:read:target.xml:0,ffb", "Hg1", set, "D"} {
			if err := gdbAsk(conn, replies, packet); err != nil {
				return err
			}
		}
		status, err := qapi.QueryStatus(ctx, d.QMP())
		if err == nil && !status.Running {
			err = qapi.Cont(ctx, d.QMP())
		}
		return err
	}
}

// gdbAsk sends a packet of gdb's remote protocol, and waits for one.
func gdbAsk(conn net.Conn, replies *bufio.Reader, packet string) error {
	sum := byte(0)
	for _, c := range []byte(packet) {
		sum += c
	}
	if _, err := fmt.Fprintf(conn, "$%s#%02x", packet, sum); err != nil {
		return err
	}
	for _, end := range []byte{'$', '#'} {
		if _, err := replies.ReadString(end); err != nil {
			return err
		}
	}
	if _, err := replies.Discard(2); err != nil {
		return err
	}
	_, err := conn.Write([]byte("+"))
	return err
}

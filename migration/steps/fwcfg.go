package steps

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/drover-vm/drover/protocol/qtest"
)

// Of all devices of a PC fw_cfg is the one that writes to RAM when it is told to in two words
// (docs/specs/fw_cfg.rst in QEMU): they are the address of a command.
const (
	fwCfgHigh, fwCfgLow = 0x514, 0x518

	fwCfgRead, fwCfgSelect, fwCfgWrite = 2, 8, 16
	fwCfgFiles                         = 0x19 // the item that lists the others
	fwCfgEntry                         = 64   // bytes of each in the list
	fwCfgName                          = 8    // where in it its name begins
	mostFiles                          = 256
)

// A fwCfg is a PC's, and where in RAM commands for it are written.
type fwCfg struct {
	*qtest.Session
	command uint64
}

// fwCfgBehind is one whose commands are written 1 MiB behind an address, and what they carry behind that.
func fwCfgBehind(q *qtest.Session, address uint64) fwCfg { return fwCfg{q, address + 1<<20} }

// find is the item that a file is, and how large.
func (d fwCfg) find(ctx context.Context, name string) (key uint16, size uint32, err error) {
	list := make([]byte, 4+mostFiles*fwCfgEntry)
	at := d.command + 4096
	if err := d.read(ctx, fwCfgFiles, at, uint32(len(list))); err != nil {
		return 0, 0, err
	}
	if err := d.ReadMemory(ctx, at, list); err != nil {
		return 0, 0, err
	}
	count := binary.BigEndian.Uint32(list)
	for n := range min(count, mostFiles) {
		entry := list[4+n*fwCfgEntry:][:fwCfgEntry]
		found, _, _ := bytes.Cut(entry[fwCfgName:], []byte{0})
		if string(found) == name {
			return binary.BigEndian.Uint16(entry[4:]), binary.BigEndian.Uint32(entry), nil
		}
	}
	return 0, 0, fmt.Errorf("the fw_cfg of the source has no %s among its %d files", name, count)
}

// read has the beginning of an item written to RAM.
func (d fwCfg) read(ctx context.Context, key uint16, to uint64, size uint32) error {
	return d.do(ctx, key, fwCfgRead, to, size)
}

// write gives an item a content, for which there is room behind the command.
func (d fwCfg) write(ctx context.Context, key uint16, content []byte) error {
	from := d.command + 4096
	if err := d.WriteMemory(ctx, from, content); err != nil {
		return err
	}
	return d.do(ctx, key, fwCfgWrite, from, uint32(len(content)))
}

func (d fwCfg) do(ctx context.Context, key uint16, what uint32, at uint64, size uint32) error {
	command := binary.BigEndian.AppendUint32(nil, uint32(key)<<16|fwCfgSelect|what)
	command = binary.BigEndian.AppendUint32(command, size)
	command = binary.BigEndian.AppendUint64(command, at)
	if err := d.WriteMemory(ctx, d.command, command); err != nil {
		return err
	}
	// It takes its words in the order of bytes that is not a PC's, and begins with the second.
	if err := d.Outl(ctx, fwCfgHigh, bits.ReverseBytes32(uint32(d.command>>32))); err != nil {
		return err
	}
	if err := d.Outl(ctx, fwCfgLow, bits.ReverseBytes32(uint32(d.command))); err != nil {
		return err
	}
	state := make([]byte, 4)
	if err := d.ReadMemory(ctx, d.command, state); err != nil {
		return err
	}
	if left := binary.BigEndian.Uint32(state); left != 0 {
		return errors.New("the fw_cfg of the source did not carry out a command: is this a PC?")
	}
	return nil
}

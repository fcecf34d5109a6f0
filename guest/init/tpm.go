//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// A tpm is a TPM 2.0, which is given commands as they are on its wire (Trusted Platform Module
// Library, Part 3: Commands). Nothing has a password.
type tpm struct {
	wire  io.ReadWriter
	reply []byte
}

// Commands, with their codes.
const (
	tpmDefineSpace = 0x12a
	tpmNVWrite     = 0x137
	tpmNVRead      = 0x14e
	tpmPCRRead     = 0x17e
	tpmReadClock   = 0x181
	tpmPCRExtend   = 0x182
)

func tpmCommand(code uint32) string {
	names := map[uint32]string{
		tpmDefineSpace: "TPM2_NV_DefineSpace", tpmNVWrite: "TPM2_NV_Write", tpmNVRead: "TPM2_NV_Read",
		tpmPCRRead: "TPM2_PCR_Read", tpmReadClock: "TPM2_ReadClock", tpmPCRExtend: "TPM2_PCR_Extend",
	}
	return names[code]
}

// What stands in commands and replies.
const (
	tpmNoSessions, tpmSessions = 0x8001, 0x8002
	tpmHeader                  = 10
	tpmMostReply               = 4096
	tpmSHA256                  = 0x000b
	tpmOwner                   = 0x40000001
	// What the owner and whoever has its password may read and write.
	tpmNVAttributes = 1<<1 | 1<<2 | 1<<17 | 1<<18 | 1<<25
)

// Replies that say that it went wrong.
const (
	tpmNVDefined = 0x14c
	// It is to be tried again.
	tpmYielded = 0x908
	tpmTesting = 0x90a
	tpmNVRate  = 0x920
	tpmRetry   = 0x922
)

// A tpmError is a command that a TPM refuses.
type tpmError struct {
	command string
	code    uint32
}

func (e *tpmError) Error() string { return fmt.Sprintf("%s: error %#x", e.command, e.code) }

// mostTPMTries is how often a command is given that is to be tried again.
const mostTPMTries = 50

// do gives it a command, and returns what its reply has: what is behind the length of the
// parameters where the command has a session.
func (t *tpm) do(code uint32, handles []uint32, parameters ...any) ([]byte, error) {
	tag := uint16(tpmNoSessions)
	var body bytes.Buffer
	put(&body, handles)
	if len(handles) > 0 { // each of ours needs the password's session, and the password is empty
		tag = tpmSessions
		put(&body, uint32(9), uint32(0x40000009), uint16(0), byte(0), uint16(0))
	}
	put(&body, parameters...)
	var command bytes.Buffer
	put(&command, tag, uint32(tpmHeader+body.Len()), code, body.Bytes())
	for try := 1; ; try++ {
		reply, err := t.send(command.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", tpmCommand(code), err)
		}
		switch refused := binary.BigEndian.Uint32(reply[6:]); {
		case refused == 0:
			return behindLength(reply[tpmHeader:], tag == tpmSessions, tpmCommand(code))
		case mayBeTriedAgain(refused) && try < mostTPMTries:
			time.Sleep(time.Duration(try) * time.Millisecond)
		default:
			return nil, &tpmError{tpmCommand(code), refused}
		}
	}
}

func mayBeTriedAgain(code uint32) bool {
	return code == tpmYielded || code == tpmTesting || code == tpmNVRate || code == tpmRetry
}

// behindLength takes off the length of a reply's parameters, where it has one.
func behindLength(reply []byte, has bool, command string) ([]byte, error) {
	if !has {
		return reply, nil
	}
	if len(reply) < 4 || uint64(binary.BigEndian.Uint32(reply)) > uint64(len(reply)-4) {
		return nil, fmt.Errorf("%s: a reply that is too short: %x", command, reply)
	}
	return reply[4 : 4+binary.BigEndian.Uint32(reply)], nil
}

// send gives it a command, and returns the whole reply.
func (t *tpm) send(command []byte) ([]byte, error) {
	if t.reply == nil {
		t.reply = make([]byte, tpmMostReply)
	}
	if _, err := t.wire.Write(command); err != nil {
		return nil, err
	}
	n, err := t.wire.Read(t.reply)
	if err != nil {
		return nil, err
	}
	if reply := t.reply[:n]; n >= tpmHeader && int(binary.BigEndian.Uint32(reply[2:])) == n {
		return reply, nil
	}
	return nil, fmt.Errorf("a reply that is none: %x", t.reply[:n])
}

// put appends numbers and bytes as a TPM takes them.
func put(to *bytes.Buffer, all ...any) {
	for _, one := range all {
		_ = binary.Write(to, binary.BigEndian, one) // to memory, of values that have a size
	}
}

// pcr reads a PCR of the bank of SHA-256.
func (t *tpm) pcr(number uint32) ([]byte, error) {
	selected := make([]byte, 3)
	selected[number/8] = 1 << (number % 8)
	reply, err := t.do(tpmPCRRead, nil, uint32(1), uint16(tpmSHA256), byte(len(selected)), selected)
	if err != nil {
		return nil, err
	}
	const before = 4 + 4 + 2 + 1 + 3 + 4 + 2 // the counter of updates, the selection again, one digest's length
	if len(reply) != before+sha256.Size {
		return nil, fmt.Errorf("TPM2_PCR_Read: expected a digest of %d bytes, found %x", sha256.Size, reply)
	}
	return bytes.Clone(reply[before:]), nil
}

// extend extends a PCR of the bank of SHA-256.
func (t *tpm) extend(number uint32, digest [sha256.Size]byte) error {
	_, err := t.do(tpmPCRExtend, []uint32{number}, uint32(1), uint16(tpmSHA256), digest[:])
	return err
}

// define makes an NV index of that size, unless there is one.
func (t *tpm) define(index uint32, size int) error {
	var public bytes.Buffer
	put(&public, index, uint16(tpmSHA256), uint32(tpmNVAttributes), uint16(0), uint16(size))
	_, err := t.do(tpmDefineSpace, []uint32{tpmOwner}, uint16(0), uint16(public.Len()), public.Bytes())
	if refused, ok := errors.AsType[*tpmError](err); ok && refused.code == tpmNVDefined {
		return nil
	}
	return err
}

// writeNV writes an NV index from its beginning.
func (t *tpm) writeNV(index uint32, data []byte) error {
	_, err := t.do(tpmNVWrite, []uint32{tpmOwner, index}, uint16(len(data)), data, uint16(0))
	return err
}

// readNV reads so many bytes of an NV index from its beginning.
func (t *tpm) readNV(index uint32, size int) ([]byte, error) {
	reply, err := t.do(tpmNVRead, []uint32{tpmOwner, index}, uint16(size), uint16(0))
	if err != nil {
		return nil, err
	}
	if len(reply) != 2+size {
		return nil, fmt.Errorf("TPM2_NV_Read: expected %d bytes, found %x", size, reply)
	}
	return bytes.Clone(reply[2:]), nil
}

// A tpmClock is what a TPM says of its time.
type tpmClock struct {
	Time, Clock      uint64 // ms: since it was started, and that it ran in all
	Resets, Restarts uint32
	Safe             byte
}

func (t *tpm) clock() (c tpmClock, err error) {
	reply, err := t.do(tpmReadClock, nil)
	if err != nil {
		return c, err
	}
	if err := binary.Read(bytes.NewReader(reply), binary.BigEndian, &c); err != nil {
		return c, fmt.Errorf("TPM2_ReadClock: %w", err)
	}
	return c, nil
}

// A tpmFile is the kernel's file of a TPM. Go's own would not block, and a read that is to wait for
// the reply has none then.
type tpmFile int

func openTPM(path string) (tpmFile, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", path, err)
	}
	return tpmFile(fd), nil
}

func (f tpmFile) Read(p []byte) (int, error) {
	return untilDone(func() (int, error) { return syscall.Read(int(f), p) })
}

func (f tpmFile) Write(p []byte) (int, error) {
	return untilDone(func() (int, error) { return syscall.Write(int(f), p) })
}
func (f tpmFile) Close() error { return syscall.Close(int(f)) }

func untilDone(do func() (int, error)) (n int, err error) {
	for {
		if n, err = do(); !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}

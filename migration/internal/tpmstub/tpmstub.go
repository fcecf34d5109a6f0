// Package tpmstub is what QEMU takes for an emulator of a TPM, as swtpm is one (its swtpm_ioctls(3)). It
// has no TPM: it refuses all commands for one, and counts what QEMU tells the emulator itself.
package tpmstub

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/drover-vm/drover/internal/listening"
)

// What QEMU may tell an emulator.
const (
	getCapability    = 0x01
	start            = 0x02
	shutdown         = 0x03
	getEstablished   = 0x04
	setLocality      = 0x05
	resetEstablished = 0x0b
	getState         = 0x0c
	stop             = 0x0e
	setDataFD        = 0x10
	setBufferSize    = 0x11
	lockStorage      = 0x13

	// capabilities are a bit for each of these.
	capabilities = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<12 | 1<<13 | 1<<16
	bufferSize   = 4096
)

// commands are how many bytes come behind a command, and the answer, whose first four are its success.
func commands() map[uint32]struct {
	argument int
	answer   []byte
} {
	answer := func(numbers ...uint32) (b []byte) {
		for _, n := range append([]uint32{0}, numbers...) {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	return map[uint32]struct {
		argument int
		answer   []byte
	}{
		getCapability: {0, answer(capabilities)}, start: {4, answer()}, shutdown: {0, answer()}, stop: {0, answer()},
		getEstablished: {0, answer(0)}, resetEstablished: {4, answer()}, setLocality: {4, answer()}, setDataFD: {0, answer()},
		getState: {12, answer(0, 0, 0)}, setBufferSize: {4, answer(bufferSize, bufferSize, bufferSize)}, lockStorage: {4, answer()},
	}
}

// A Stub is one. Its Close disconnects all, and returns when nothing of it runs any longer.
type Stub struct {
	*listening.Server
	mu     sync.Mutex
	locked int
}

// Listen makes one at a UNIX socket of that path, to which one QEMU after another may connect.
func Listen(path string) (_ *Stub, err error) {
	s := &Stub{}
	if s.Server, err = listening.Listen(path, s.control); err != nil {
		return nil, fmt.Errorf("tpmstub: %w", err)
	}
	return s, nil
}

// Locked is how often QEMU has told it to lock the TPM's storage.
func (s *Stub) Locked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locked
}

// control answers what QEMU tells the emulator, until it disconnects or says what no emulator knows.
func (s *Stub) control(server *listening.Server, c *net.UnixConn) {
	known := commands()
	for {
		code, rights := make([]byte, 4), make([]byte, syscall.CmsgSpace(4))
		n, passed, _, _, err := c.ReadMsgUnix(code, rights)
		if err != nil {
			return
		}
		if _, err := io.ReadFull(c, code[n:]); err != nil {
			return
		}
		number := binary.BigEndian.Uint32(code)
		command, ok := known[number]
		if _, err := io.ReadFull(c, make([]byte, command.argument)); err != nil || !ok {
			return
		}
		switch number {
		case setDataFD:
			if data := fileOf(rights[:passed]); data != nil {
				server.Serve(data, func() { refuse(data) })
			}
		case lockStorage:
			s.mu.Lock()
			s.locked++
			s.mu.Unlock()
		}
		if _, err := c.Write(command.answer); err != nil {
			return
		}
	}
}

// fileOf is the connection that came with a message, nil where none did.
func fileOf(rights []byte) net.Conn {
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return nil
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil
	}
	f := os.NewFile(uintptr(fds[0]), "tpm")
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil
	}
	return c
}

// refuse answers each command for a TPM 2.0 as one does that has failed.
func refuse(c net.Conn) {
	const headerSize, noSessions, failure = 10, 0x8001, 0x101
	for {
		header := make([]byte, headerSize)
		if _, err := io.ReadFull(c, header); err != nil {
			return
		}
		rest := int64(binary.BigEndian.Uint32(header[2:])) - headerSize
		if _, err := io.CopyN(io.Discard, c, max(0, rest)); err != nil {
			return
		}
		answer := binary.BigEndian.AppendUint16(nil, noSessions)
		answer = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(answer, headerSize), failure)
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

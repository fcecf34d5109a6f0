package qmp

import (
	"bytes"
	"slices"
	"time"

	"github.com/drover-vm/drover/protocol/transcript"
)

// readGrace is how long the reader goes on after writing has failed. A QEMU
// that ends has closed its side, and what it sent before is on the way or here:
// the reader takes that, and comes to the end of file by itself.
const readGrace = time.Second

// write sends what is queued until the session ends. So a caller can leave at
// any time without tearing a command in two.
func (s *Session) write(ended <-chan struct{}) {
	for {
		select {
		case <-s.kick:
		case <-ended:
			return
		}
		for c := s.next(); c != nil; c = s.next() {
			s.trace(transcript.Sent, bytes.TrimSuffix(c.data, []byte("\n")))
			err := s.writeOne(c)
			closeAll(c.files)
			if err != nil {
				s.mu.Lock()
				s.broken = err
				s.mu.Unlock()
				if s.conn.SetReadDeadline(time.Now().Add(readGrace)) != nil {
					_ = s.conn.Close()
				}
				return
			}
		}
	}
}

// next takes the next command from the queue.
func (s *Session) next() *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	c := s.queue[0]
	s.queue = slices.Delete(s.queue, 0, 1)
	c.sent = true
	return c
}

func (s *Session) writeOne(c *call) error {
	if len(c.files) > 0 {
		return s.writeFiles(c.data, c.files)
	}
	_, err := s.conn.Write(c.data)
	return err
}

package fakeqemu

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A QTestHandler answers one qtest request, whose words it is given, with a line
// without its end, such as "OK 0x0012". "" answers nothing.
type QTestHandler func(words []string) string

// HandleQTest scripts the reply to a qtest command, in place of what the fake
// does by itself.
func (q *QEMU) HandleQTest(command string, h QTestHandler) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.qtest[command] = h
}

// Requests returns every qtest request so far, each as its line without the end.
func (q *QEMU) Requests() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.requests)
}

// IRQ changes an interrupt line, as a device would. Changes go to the qtest
// connections, whether or not a client asked to watch; a line that is where
// it was says nothing.
func (q *QEMU) IRQ(line int, raised bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.setLine(line, raised)
}

func (q *QEMU) setLine(line int, raised bool) {
	if q.levels[line] == raised {
		return
	}
	q.levels[line] = raised
	word := "lower"
	if raised {
		word = "raise"
	}
	for _, s := range q.testers {
		s.send(fmt.Appendf(nil, "IRQ %s %d\n", word, line))
	}
}

// An abort is what would have ended a real QEMU.
type abort struct{ reason string }

func (a *abort) Error() string { return a.reason }

func crash(format string, args ...any) error { return &abort{fmt.Sprintf(format, args...)} }

func (q *QEMU) serveQTest(s *stream) {
	defer s.close()
	lines := bufio.NewReader(s.conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		reply, err := q.request(strings.TrimSuffix(line, "\n"))
		if a, ok := errors.AsType[*abort](err); ok {
			q.end(a.reason)
			return
		}
		if reply != "" {
			s.send([]byte(reply + "\n"))
		}
	}
}

// request answers one line as QEMU does, or says how it would have crashed.
func (q *QEMU) request(line string) (string, error) {
	q.mu.Lock()
	q.requests = append(q.requests, line)
	words := strings.Split(line, " ")
	h := q.qtest[words[0]]
	q.mu.Unlock()
	if h != nil {
		return h(words), nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	r := &reader{command: words[0], words: words[1:]}
	reply := q.serve(r)
	return reply, r.err
}

// serve carries out a request whose words r reads. Where r has an error at the
// end, the reply is void.
func (q *QEMU) serve(r *reader) string {
	switch r.command {
	case "inb", "inw", "inl":
		size := sizes[r.command[2]]
		if port := r.port(); r.err == nil {
			return fmt.Sprintf("OK 0x%04x", q.ports.in(uint16(port), size))
		}
	case "outb", "outw", "outl":
		port, v := r.port(), r.number()
		if r.err == nil {
			q.ports.out(uint16(port), byte(v))
		}
		return "OK"
	case "readb", "readw", "readl", "readq":
		size, p := sizes[r.command[4]], [8]byte{}
		q.reach(r, r.number(), p[:size], false)
		return fmt.Sprintf("OK 0x%016x", q.integer(p[:size]))
	case "writeb", "writew", "writel", "writeq":
		size, addr := sizes[r.command[5]], r.number()
		q.reach(r, addr, q.bytes(size, r.number()), true)
		return "OK"
	case "read":
		if p := q.readRange(r, true); r.err == nil {
			return "OK 0x" + hex.EncodeToString(p)
		}
	case "b64read":
		if p := q.readRange(r, false); r.err == nil {
			return "OK " + base64.StdEncoding.EncodeToString(p)
		}
	case "write", "b64write", "memset":
		return q.serveWrite(r)
	case "endianness":
		if q.config.BigEndian {
			return "OK big"
		}
		return "OK little"
	case "irq_intercept_in", "irq_intercept_out", "set_irq_in":
		return q.serveIRQ(r)
	case "clock_step", "clock_set":
		if q.config.Clock {
			return q.serveClock(r)
		}
		return "FAIL Unknown command '" + r.command + "'"
	case "module_load":
		r.word()
		r.word()
		return "FAIL"
	default:
		return "FAIL Unknown command '" + r.command + "'"
	}
	return ""
}

var sizes = map[byte]int{'b': 1, 'w': 2, 'l': 4, 'q': 8}

// reach reads or writes memory through the first CPU.
func (q *QEMU) reach(r *reader, addr uint64, p []byte, write bool) {
	switch {
	case r.err != nil:
	case q.config.NoCPU:
		r.err = crash("%s: segmentation fault: the machine has no CPU", r.command)
	case addr+uint64(len(p))-1 < addr && len(p) > 0:
		r.err = crash("%s 0x%x: %d bytes run over the end of the address space", r.command, addr, len(p))
	case write:
		q.memory.write(addr, p)
	default:
		q.memory.read(addr, p)
	}
}

// readRange serves the two reads of many bytes.
func (q *QEMU) readRange(r *reader, zeroCrashes bool) []byte {
	addr, size := r.number(), r.size()
	if r.err == nil && size == 0 && zeroCrashes {
		r.err = crash("%s of no bytes", r.command)
	}
	if r.err != nil {
		return nil
	}
	p := make([]byte, size)
	q.reach(r, addr, p, false)
	return p
}

func (q *QEMU) serveWrite(r *reader) string {
	addr, size := r.number(), r.size()
	if r.command == "memset" {
		value := r.number()
		if r.err == nil && size > 0 {
			q.reach(r, addr, slices.Repeat([]byte{byte(value)}, int(size)), true)
		}
		return "OK"
	}
	data := r.word()
	if r.err != nil {
		return ""
	}
	if len(data) < 3 {
		return "ERR invalid argument size"
	}
	p := make([]byte, size)
	if r.command == "b64write" {
		decoded, err := base64.StdEncoding.DecodeString(data)
		if err != nil || uint64(len(decoded)) != size {
			r.err = crash("b64write of %d bytes with data of %d: QEMU would read behind the data", size, len(decoded))
			return ""
		}
		p = decoded
	} else {
		for i := range p { // short data is filled up with zeros, what is no digit is 0xf
			if 2*i+4 <= len(data) {
				p[i] = nibble(data[2*i+2])<<4 | nibble(data[2*i+3])
			}
		}
	}
	q.reach(r, addr, p, true)
	return "OK"
}

func nibble(c byte) byte {
	v, err := strconv.ParseUint(string(rune(c)), 16, 8)
	if err != nil {
		return 0xff
	}
	return byte(v)
}

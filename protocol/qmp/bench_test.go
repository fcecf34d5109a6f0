package qmp_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/qmp"
)

// A way is one of those that a benchmark compares: it executes a command and
// takes its reply.
type way func(command string) error

// through goes through a session.
func through(b *testing.B, session *qmp.Session) way {
	return func(command string) error {
		var reply json.RawMessage
		return session.Execute(b.Context(), command, nil, &reply)
	}
}

// bytesOnly is the least that can be done: write what a session would write, and
// read to the end of the line. It understands nothing, and works where there are
// no events.
func bytesOnly(conn net.Conn) way {
	buf, id := make([]byte, 1<<20), 0
	return func(command string) error {
		id++
		return swap(conn, buf, fmt.Sprintf(`{"execute":"%s","id":%d}`+"\n", command, id))
	}
}

// withoutID is bytesOnly without an id: it could not tell a late reply from its own.
// QEMU reads its monitor a byte at a time, so what it saves is QEMU's time.
func withoutID(conn net.Conn) way {
	buf := make([]byte, 1<<20)
	return func(command string) error {
		return swap(conn, buf, fmt.Sprintf(`{"execute":"%s"}`+"\n", command))
	}
}

func swap(conn net.Conn, buf []byte, request string) error {
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	for end := 0; ; {
		n, err := conn.Read(buf[end:])
		if err != nil {
			return err
		}
		if end += n; buf[end-1] == '\n' {
			return nil
		}
	}
}

// lineByLine is how the clients do it that read lines with a bufio.Scanner and
// unmarshal them.
func lineByLine(conn net.Conn) way {
	lines := bufio.NewScanner(conn)
	return func(command string) error {
		request, err := json.Marshal(map[string]any{"execute": command})
		if err != nil {
			return err
		}
		if _, err := conn.Write(append(request, '\n')); err != nil {
			return err
		}
		for lines.Scan() {
			var m struct {
				Event  string
				Return json.RawMessage
				Error  *struct{ Class, Desc string }
			}
			if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
				return err
			}
			if m.Event == "" {
				return nil
			}
		}
		return fmt.Errorf("lines: %w", lines.Err())
	}
}

// compare measures the ways in turn, in rounds, so that what else the machine does
// falls on each alike. It reports the time of each by its least round, and the
// ratio to the first one's.
func compare(b *testing.B, command string, each int, names []string, ways ...way) {
	const rounds = 15
	least := make([]time.Duration, len(ways))
	for b.Loop() {
		for range rounds {
			for i, execute := range ways {
				start := time.Now()
				for range each {
					if err := execute(command); err != nil {
						b.Fatalf("%s: %v", names[i], err)
					}
				}
				if took := time.Since(start) / time.Duration(each); least[i] == 0 || took < least[i] {
					least[i] = took
				}
			}
		}
	}
	for i, name := range names {
		b.ReportMetric(float64(least[i].Nanoseconds())/1e3, name+"-us")
		if i > 0 {
			b.ReportMetric(float64(least[i])/float64(least[0]), name+"/"+names[0])
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkCommand says what a session adds to QEMU's own time. Two monitors of one
// QEMU are asked in turn: by a session, and by loops that only move bytes.
func BenchmarkCommand(b *testing.B) {
	binary := qemutest.Binary(b, "x86_64")
	for _, test := range []struct {
		command string
		each    int
	}{{"query-status", 100}, {"query-qmp-schema", 5}} {
		b.Run(test.command, func(b *testing.B) {
			session, raw := twoMonitors(b, binary)
			names := []string{"bytes", "session", "no-id"}
			ways := []way{bytesOnly(raw), through(b, session), withoutID(raw)}
			if test.command == "query-status" { // the other is too long a line for it
				names = append(names, "scanner")
				ways = append(ways, lineByLine(raw))
			}
			compare(b, test.command, test.each, names, ways...)
		})
	}
}

// twoMonitors returns a session on one monitor, and another past its handshake.
// Neither has out-of-band execution, so both are served by the same thread.
func twoMonitors(b *testing.B, binary string) (*qmp.Session, net.Conn) {
	path := b.TempDir() + "/second"
	session, err := qmp.New(b.Context(), qemutest.Monitor(b, binary,
		"-chardev", "socket,id=second,server=on,wait=off,path="+path, "-mon", "chardev=second,mode=control"), qmp.Options{NoOOB: true})
	require.NoError(b, err)
	b.Cleanup(func() { _ = session.Close() })
	raw, err := net.Dial("unix", path)
	require.NoError(b, err)
	b.Cleanup(func() { _ = raw.Close() })
	greeting := bufio.NewReader(raw)
	_, err = greeting.ReadBytes('\n')
	require.NoError(b, err)
	require.NoError(b, bytesOnly(raw)("qmp_capabilities"))
	return session, raw
}

// BenchmarkCallersAtOnce says what many callers on one session get done, against
// one caller, and against what the server allows: bytes written eight requests at a
// time.
func BenchmarkCallersAtOnce(b *testing.B) {
	session, raw := twoMonitors(b, qemutest.Binary(b, "x86_64"))
	const commands, rounds = 512, 5
	callers := func(n int) func() error {
		return func() error {
			var group errgroup.Group
			for range n {
				group.Go(func() error {
					for range commands / n {
						if err := session.Execute(b.Context(), "query-status", nil, nil); err != nil {
							return err
						}
					}
					return nil
				})
			}
			return group.Wait()
		}
	}
	const eight = 8
	requests := strings.Repeat(`{"execute":"query-status","id":1234}`+"\n", eight)
	lines := bufio.NewReader(raw)
	pipelined := func() error {
		for range commands / eight {
			if _, err := io.WriteString(raw, requests); err != nil {
				return err
			}
			for range eight {
				if _, err := lines.ReadSlice('\n'); err != nil {
					return err
				}
			}
		}
		return nil
	}
	var least [3]time.Duration
	for b.Loop() {
		for range rounds {
			for i, run := range []func() error{callers(1), callers(64), pipelined} {
				start := time.Now()
				require.NoError(b, run())
				if took := time.Since(start); least[i] == 0 || took < least[i] {
					least[i] = took
				}
			}
		}
	}
	b.ReportMetric(float64(least[0])/float64(least[1]), "throughput-64/1")
	b.ReportMetric(float64(least[2])/float64(least[1]), "throughput-64/bytes")
	b.ReportMetric(0, "ns/op")
}

// newEcho answers every command at once, in this process, so that what is measured
// is the session alone.
func newEcho(b *testing.B, value string) net.Conn {
	client, peer := net.Pipe()
	b.Cleanup(func() { _ = peer.Close() })
	go func() {
		_, _ = io.WriteString(peer, greeting)
		request, reply := make([]byte, 4096), []byte(nil)
		for {
			n, err := peer.Read(request)
			if err != nil {
				return
			}
			id := request[bytes.LastIndexByte(request[:n], ':')+1 : bytes.LastIndexByte(request[:n], '}')]
			reply = append(append(append(append(append(reply[:0], `{"return": `...), value...), `, "id":`...), id...), "}\r\n"...)
			if _, err := peer.Write(reply); err != nil {
				return
			}
		}
	}()
	return client
}

// BenchmarkSessionAlone counts what one command takes of memory and of time, with
// a peer that answers at once.
func BenchmarkSessionAlone(b *testing.B) {
	type status struct {
		Status  string
		Running bool
	}
	for _, test := range []struct {
		name  string
		value string
		args  any
		reply any
	}{
		{"dropped", `{}`, nil, nil},
		{"status", `{"status": "running", "singlestep": false, "running": true}`, nil, new(status)},
		{"raw", `{"status": "running", "singlestep": false, "running": true}`, nil, new(json.RawMessage)},
		{"arguments", `{}`, map[string]any{"path": "/machine", "property": "type"}, nil},
		{"200 KiB raw", `[` + strings.Repeat(`{"name": "status", "type": "12"}, `, 200<<10/34) + `0]`, nil, new(json.RawMessage)},
	} {
		b.Run(test.name, func(b *testing.B) {
			session, err := qmp.New(b.Context(), newEcho(b, test.value), qmp.Options{})
			require.NoError(b, err)
			defer session.Close()
			b.ReportAllocs()
			for b.Loop() {
				if err := session.Execute(b.Context(), "query-status", test.args, test.reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

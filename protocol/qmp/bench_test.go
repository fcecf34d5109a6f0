package qmp_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

// bytesOnly is the least that can be done: write, and read to the end of the line.
// It understands nothing, and works where there are no events.
func bytesOnly(conn net.Conn) way {
	buf := make([]byte, 1<<20)
	return func(command string) error {
		if _, err := io.WriteString(conn, `{"execute": "`+command+`"}`+"\n"); err != nil {
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
	const rounds = 9
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
	}{{"query-status", 200}, {"query-qmp-schema", 5}} {
		b.Run(test.command, func(b *testing.B) {
			session, raw := twoMonitors(b, binary)
			names := []string{"bytes", "session"}
			ways := []way{bytesOnly(raw), through(b, session)}
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
// one caller, on a real QEMU.
func BenchmarkCallersAtOnce(b *testing.B) {
	session, err := qmp.New(b.Context(), qemutest.Monitor(b, qemutest.Binary(b, "x86_64")), qmp.Options{})
	require.NoError(b, err)
	defer session.Close()
	const commands = 1024
	run := func(callers int) time.Duration {
		start := time.Now()
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				for range commands / callers {
					if err := session.Execute(b.Context(), "query-status", nil, nil); err != nil {
						b.Error(err)
					}
				}
			})
		}
		group.Wait()
		return time.Since(start)
	}
	var one, many time.Duration
	for b.Loop() {
		one += run(1)
		many += run(64)
	}
	b.ReportMetric(float64(one)/float64(many), "throughput-64/1")
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
		reply func() any
	}{
		{"dropped", `{}`, nil, func() any { return nil }},
		{"status", `{"status": "running", "singlestep": false, "running": true}`, nil, func() any { return new(status) }},
		{"raw", `{"status": "running", "singlestep": false, "running": true}`, nil, func() any { return new(json.RawMessage) }},
		{"arguments", `{}`, map[string]any{"path": "/machine", "property": "type"}, func() any { return nil }},
		{"200 KiB raw", `["` + string(bytes.Repeat([]byte(`{\"a\": [1, 2]} `), 200<<10/17)) + `"]`, nil, func() any { return new(json.RawMessage) }},
	} {
		b.Run(test.name, func(b *testing.B) {
			session, err := qmp.New(b.Context(), newEcho(b, test.value), qmp.Options{})
			require.NoError(b, err)
			defer session.Close()
			b.ReportAllocs()
			for b.Loop() {
				if err := session.Execute(b.Context(), "query-status", test.args, test.reply()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

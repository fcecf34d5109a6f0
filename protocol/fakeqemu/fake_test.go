package fakeqemu_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/transcript"
)

// start starts a fake that ends with the test.
func start(t *testing.T, c fakeqemu.Config) *fakeqemu.QEMU {
	q := fakeqemu.New(c)
	t.Cleanup(func() { q.Close() })
	return q
}

// TestAnswersLikeARealOne asks the fake and each real QEMU the same, and expects
// replies of the same kind: an object, a list, a class of error, and the same events.
func TestAnswersLikeARealOne(t *testing.T) {
	questions := []string{
		`{"execute": "query-status", "id": {"any": [1, "two"]}}`,
		`{"execute": "query-version"}`,
		`{"execute": "query-target"}`,
		`{"execute": "query-name"}`,
		`{"execute": "query-memory-size-summary"}`,
		`{"execute": "query-cpus-fast"}`,
		`{"execute": "query-machines"}`,
		`{"execute": "query-migrate"}`,
		`{"execute": "query-migrate-capabilities"}`,
		`{"execute": "query-migrate-parameters"}`,
		`{"execute": "query-qmp-schema"}`,
		`{"execute": "query-commands"}`,
		`{"execute": "qom-list", "arguments": {"path": "/machine"}}`,
		`{"execute": "qom-list", "arguments": {"path": "nosuch"}}`,
		`{"execute": "cont"}`, `{"execute": "cont"}`, `{"execute": "stop", "id": 1}`, `{"execute": "stop"}`,
		`{"execute": "nosuch", "id": "x"}`,
		`{"execute": "qmp_capabilities"}`,
		`{"exec-oob": "query-status", "id": 2}`,
		`{"execute": "migrate-set-capabilities", "arguments": {"capabilities": [{"capability": "events", "state": true}]}}`,
		`{"execute": "migrate-set-capabilities", "arguments": {"capabilities": [{"capability": "nosuch", "state": true}]}}`,
		`{"execute": "migrate-set-parameters", "arguments": {"downtime-limit": 100}}`,
		`{"execute": "migrate-set-parameters", "arguments": {"nosuch": 100}}`,
		`{"execute": "migrate-start-postcopy"}`,
		`{"execute": "migrate_cancel"}`,
		`{"execute": "migrate-incoming", "arguments": {"uri": "unix:/x"}}`,
		`{"execute": "getfd", "arguments": {"fdname": "x"}}`,
		`{"id": 3}`,
		`[]`,
	}
	kinds := func(t *testing.T, conn io.ReadWriter) (list []string) {
		c := connect(t, conn)
		for _, question := range questions {
			r := c.ask(question)
			kind := "return " + string(r.Return[:min(1, len(r.Return))])
			if r.Error != nil {
				kind = "error " + r.Error.Class
			}
			list = append(list, question+" -> "+kind+" id "+compact(r.ID))
		}
		return append(list, "events "+strings.Join(c.events, " "))
	}
	fake := kinds(t, start(t, fakeqemu.Config{Paused: true}).QMP())
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(binary, func(t *testing.T) { require.Equal(t, kinds(t, realMonitor(t, binary)), fake) })
	}
}

// compact takes out the spaces, of which QEMU puts its own into ids.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// realMonitor starts a real QEMU and returns its monitor, which is its standard
// input and output.
func realMonitor(t *testing.T, binary string) io.ReadWriter {
	cmd := exec.Command(binary, "-nodefaults", "-display", "none", "-S", "-qmp", "stdio")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return struct {
		io.Reader
		io.Writer
	}{out, in}
}

func TestMigrationGoesThroughItsStatuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, destination := start(t, fakeqemu.Config{}), start(t, fakeqemu.Config{Incoming: true})
		source.MigrateTo(destination)
		source.WriteMemory(0x100000, []byte("guest"))
		src, dst := connect(t, source.QMP()), connect(t, destination.QMP())
		events := `{"execute": "migrate-set-capabilities", "arguments": {"capabilities": [{"capability": "events", "state": true}, {"capability": "pause-before-switchover", "state": true}]}}`
		src.ask(events)
		dst.ask(events)
		require.Nil(t, dst.ask(`{"execute": "migrate-incoming", "arguments": {"uri": "tcp:x"}}`).Error)
		require.Nil(t, src.ask(`{"execute": "migrate", "arguments": {"uri": "tcp:x"}}`).Error)
		require.NotNil(t, src.ask(`{"execute": "migrate", "arguments": {"uri": "tcp:x"}}`).Error, "one at a time")
		src.await("STOP")
		require.JSONEq(t, `{"status": "pre-switchover"}`, string(src.next().Data))
		require.Nil(t, src.ask(`{"execute": "migrate-continue", "arguments": {"state": "pre-switchover"}}`).Error)
		require.JSONEq(t, `{"status": "device"}`, string(src.next().Data))
		require.JSONEq(t, `{"status": "completed"}`, string(src.await("MIGRATION").Data))
		dst.await("RESUME")
		require.Contains(t, strings.Join(src.events, " "), "MIGRATION MIGRATION_PASS MIGRATION_PASS STOP")
		require.Equal(t, "postmigrate", source.Status())
		require.Equal(t, "running", destination.Status())
		p := make([]byte, 5)
		destination.ReadMemory(0x100000, p)
		require.Equal(t, "guest", string(p))
		var info struct {
			Status string
			RAM    struct{ Transferred uint64 }
		}
		require.NoError(t, json.Unmarshal(src.ask(`{"execute": "query-migrate"}`).Return, &info))
		require.Equal(t, "completed", info.Status)
		require.EqualValues(t, 4096, info.RAM.Transferred)
	})
}

func TestMigrationThatFailsOrIsCancelledLeavesTheGuestRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, fakeqemu.Config{StatusTime: time.Second})
		c := connect(t, q.QMP())
		q.FailMigration("Connection refused")
		c.ask(`{"execute": "migrate", "arguments": {"uri": "tcp:x"}}`)
		time.Sleep(5 * time.Second)
		require.Contains(t, string(c.ask(`{"execute": "query-migrate"}`).Return), `"error-desc":"Connection refused"`)
		c.ask(`{"execute": "migrate", "arguments": {"uri": "tcp:x"}}`)
		c.ask(`{"execute": "migrate_cancel"}`)
		time.Sleep(5 * time.Second)
		require.Contains(t, string(c.ask(`{"execute": "query-migrate"}`).Return), `"cancelled"`)
		require.Equal(t, "running", q.Status())
	})
}

func TestPostcopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, fakeqemu.Config{Passes: 1000})
		c := connect(t, q.QMP())
		c.ask(`{"execute": "migrate-set-capabilities", "arguments": {"capabilities": [{"capability": "postcopy-ram", "state": true}]}}`)
		c.ask(`{"execute": "migrate", "arguments": {"uri": "tcp:x"}}`)
		require.Nil(t, c.ask(`{"execute": "migrate-start-postcopy"}`).Error)
		time.Sleep(time.Second)
		require.Contains(t, string(c.ask(`{"execute": "query-migrate"}`).Return), `"completed"`)
		require.Equal(t, []string{"STOP"}, c.events)
	})
}

func TestScriptedRepliesAndWhatWasAsked(t *testing.T) {
	q := start(t, fakeqemu.Config{})
	q.Reply("query-kvm", map[string]bool{"present": false})
	q.Handle("device_del", func(c fakeqemu.Command) (any, error) {
		return nil, &fakeqemu.Error{Class: "DeviceNotFound", Desc: "no " + string(c.Arguments)}
	})
	q.HandleQTest("inb", func(words []string) string { return "OK 0x" + strings.Repeat("a", len(words)) })
	c := connect(t, q.QMP())
	require.JSONEq(t, `{"present": false}`, string(c.ask(`{"execute": "query-kvm"}`).Return))
	require.Equal(t, "DeviceNotFound", c.ask(`{"execute": "device_del", "arguments": {"id": "x"}, "id": 7}`).Error.Class)
	asked := q.Commands()
	require.Len(t, asked, 3)
	require.Equal(t, "device_del", asked[2].Name)
	require.JSONEq(t, `{"id": "x"}`, string(asked[2].Arguments))
	require.JSONEq(t, `7`, string(asked[2].ID))
	require.Equal(t, "OK 0xaa\n", qtestLine(t, q.QTest(), "inb 0x1\n"))
	require.Equal(t, []string{"inb 0x1"}, q.Requests())
}

// qtestLine sends a line and returns the next one.
func qtestLine(t *testing.T, conn net.Conn, line string) string {
	defer conn.Close()
	_, err := io.WriteString(conn, line)
	require.NoError(t, err)
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		return err.Error()
	}
	return string(buf[:n])
}

func TestOutOfBandOvertakesACommandThatHangs(t *testing.T) {
	q := start(t, fakeqemu.Config{})
	q.Handle("hang", func(fakeqemu.Command) (any, error) { <-q.Done(); return nil, nil })
	c := connect(t, q.QMP())
	c.send(`{"execute": "hang", "id": 1} {"execute": "query-status", "id": 2}`)
	require.JSONEq(t, "3", string(c.ask(`{"exec-oob": "query-yank", "id": 3}`).ID))
}

func TestNinthCommandIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, fakeqemu.Config{})
		q.Handle("hang", func(fakeqemu.Command) (any, error) { <-q.Done(); return nil, nil })
		c := connect(t, q.QMP())
		go io.WriteString(c.conn, strings.Repeat(`{"execute": "hang"} `, 20))
		synctest.Wait()
		require.Len(t, q.Commands(), 1+9, "eight are taken, the ninth has been looked at, the others not")
	})
}

func TestWhatWouldEndQEMUEndsTheFake(t *testing.T) {
	for _, line := range []string{
		"inb 0x10000", "outb 1", "readb", "readb x", "read 0 0", "b64read 0xffffffffffffffff 2", "b64write 0 4 AAAA", "write 0 1",
		"memset 0 0xffffffffffffffff 1", "irq_intercept_in /machine", "irq_intercept_in", "set_irq_in ioapic unnamed-gpio-in 24 1",
		"set_irq_in ioapic nosuch 0 1", "set_irq_in ioapic unnamed-gpio-in -1 1", "module_load x", "clock_set",
	} {
		q := start(t, fakeqemu.Config{Clock: true})
		require.Equal(t, "EOF", qtestLine(t, q.QTest(), line+"\n"), line)
		require.NotEmpty(t, q.Aborted(), line)
		<-q.Done()
	}
}

func TestQuit(t *testing.T) {
	q := start(t, fakeqemu.Config{})
	c := connect(t, q.QMP())
	require.Nil(t, c.ask(`{"execute": "quit"}`).Error)
	c.await("SHUTDOWN")
	require.ErrorIs(t, c.values.Decode(new(any)), io.EOF)
	<-q.Done()
	require.Empty(t, q.Aborted())
	_, err := q.QMP().Read(make([]byte, 1))
	require.Error(t, err)
}

func TestFloodIsInOrder(t *testing.T) {
	q := start(t, fakeqemu.Config{})
	c := connect(t, q.QMP())
	q.Flood(10000, "NOISE", nil)
	for i := range 10000 {
		var data struct{ Seq int }
		require.NoError(t, json.Unmarshal(c.next().Data, &data))
		require.Equal(t, i, data.Seq)
	}
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, fakeqemu.Config{})
		conn := q.QTest()
		ask := func() string {
			_, err := io.WriteString(conn, "inb 1\n")
			require.NoError(t, err)
			buf := make([]byte, 100)
			n, err := conn.Read(buf)
			if err != nil {
				return err.Error()
			}
			return string(buf[:n])
		}
		begin := time.Now()
		q.InjectQTest(fakeqemu.Fault{Delay: time.Hour})
		require.Equal(t, "OK 0x00ff\n", ask())
		require.Equal(t, time.Hour, time.Since(begin))
		q.Inject(fakeqemu.Fault{Replace: []byte("garbage\n"), Times: 2})
		require.Equal(t, "garbage\n", ask())
		require.Equal(t, "garbage\n", ask())
		q.Inject(fakeqemu.Fault{Split: 3, Slow: time.Second})
		begin = time.Now()
		require.Equal(t, "OK ", ask())
		rest, err := io.ReadAll(io.LimitReader(conn, 7))
		require.NoError(t, err)
		require.Equal(t, "0x00ff\n", string(rest))
		require.Equal(t, 3*time.Second, time.Since(begin))
		q.Inject(fakeqemu.Fault{Drop: true, Before: []byte("IRQ raise 1\n")})
		require.Equal(t, "IRQ raise 1\n", ask())
		q.Inject(fakeqemu.Fault{Close: true, Cut: 4})
		require.Equal(t, "OK 0", ask())
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestReplayNoticesWhatWasNotRecorded(t *testing.T) {
	recorded := []transcript.Message{
		{Direction: transcript.Received, Data: []byte(`{"QMP": {}}`)},
		{Direction: transcript.Sent, Data: []byte(`{"execute": "query-status", "id": "a-1"}`)},
		{Direction: transcript.Received, Data: []byte(`{"return": {"n": 18446744073709551615}, "id": "a-1"}`)},
	}
	conn, replay := fakeqemu.Replay(recorded)
	c := &client{t: t, conn: conn, values: json.NewDecoder(conn)}
	c.next()
	r := c.ask(`{"id": 9, "execute": "query-status"}`)
	require.Equal(t, "9", string(r.ID))
	require.JSONEq(t, `{"n": 18446744073709551615}`, string(r.Return))
	require.NoError(t, replay.Wait())

	conn, replay = fakeqemu.Replay(recorded)
	c = &client{t: t, conn: conn, values: json.NewDecoder(conn)}
	c.next()
	c.send(`{"id": 9, "execute": "query-version"}`)
	mismatch, ok := errors.AsType[*fakeqemu.MismatchError](replay.Wait())
	require.True(t, ok)
	require.Equal(t, 1, mismatch.Message)

	conn, replay = fakeqemu.Replay(recorded)
	conn.Close()
	require.ErrorIs(t, replay.Wait(), io.ErrUnexpectedEOF)
}

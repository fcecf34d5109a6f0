package qapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qapi"
)

// An asked executor remembers the last command, and answers with reply.
type asked struct {
	command   string
	arguments json.RawMessage
	reply     string
	err       error
	oob       bool
	files     []*os.File
}

func (a *asked) Execute(_ context.Context, command string, arguments, reply any) error {
	a.command, a.arguments = command, nil
	if arguments != nil {
		a.arguments, _ = json.Marshal(arguments)
	}
	if a.err != nil || reply == nil {
		return a.err
	}
	return json.Unmarshal([]byte(a.reply), reply)
}

func (a *asked) ExecuteOOB(ctx context.Context, command string, arguments, reply any) error {
	a.oob = true
	return a.Execute(ctx, command, arguments, reply)
}

func (a *asked) ExecuteFiles(ctx context.Context, command string, arguments, reply any, files ...*os.File) error {
	a.files = files
	return a.Execute(ctx, command, arguments, reply)
}

// A call is a function of this package, what it should send, and the version since
// which QEMU takes that.
type call struct {
	since     string
	reply     string
	do        func(context.Context, *asked) error
	command   string
	arguments string
}

func calls() []call {
	only := func(f func(context.Context, qapi.Executor) error) func(context.Context, *asked) error {
		return func(ctx context.Context, a *asked) error { return f(ctx, a) }
	}
	type from = context.Context
	return []call{
		{"5.2", "", only(qapi.Stop), "stop", ""},
		{"5.2", "", only(qapi.Cont), "cont", ""},
		{"5.2", "", only(qapi.Quit), "quit", ""},
		{"5.2", "", only(qapi.SystemReset), "system_reset", ""},
		{"5.2", "", only(qapi.SystemPowerdown), "system_powerdown", ""},
		{"5.2", "", only(qapi.SystemWakeup), "system_wakeup", ""},
		{"5.2", "", func(c from, a *asked) error {
			return qapi.BlockdevAdd(c, a, map[string]any{"driver": "file", "node-name": "f", "filename": "/f"})
		}, "blockdev-add", `{"driver": "file", "node-name": "f", "filename": "/f"}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.PMemSave(c, a, 1<<20, 99<<20, "/tmp/m") }, "pmemsave", `{"val": 1048576, "size": 103809024, "filename": "/tmp/m"}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.Screendump(c, a, "d", "/tmp/p") }, "screendump", `{"device": "d", "filename": "/tmp/p"}`},
		{"5.2", "", func(c from, a *asked) error {
			return qapi.InputSendEvent(c, a, qapi.InputKey("a", true), qapi.InputButton("left", false), qapi.InputPlace("x", 7))
		}, "input-send-event", `{"events": [{"type": "key", "data": {"key": {"type": "qcode", "data": "a"}, "down": true}},
			{"type": "btn", "data": {"button": "left", "down": false}}, {"type": "abs", "data": {"axis": "x", "value": 7}}]}`},
		{"5.2", `"ok\r\n"`, func(c from, a *asked) error { _, err := qapi.HumanMonitor(c, a, "info status"); return err }, "human-monitor-command", `{"command-line": "info status"}`},

		{"5.2", "", func(c from, a *asked) error { return qapi.Migrate(c, a, qapi.MigrateArguments{URI: "tcp:a:1"}) }, "migrate", `{"uri": "tcp:a:1"}`},
		{"5.2", "", func(c from, a *asked) error {
			return qapi.Migrate(c, a, qapi.MigrateArguments{URI: "tcp:a:1", Resume: true})
		}, "migrate", `{"uri": "tcp:a:1", "resume": true}`},
		{"10.0", "", migrateTo(qapi.UnixChannel("/m")), "migrate", `{"channels": [{"channel-type": "main", "addr": {"transport": "socket", "type": "unix", "path": "/m"}}]}`},
		{"10.0", "", migrateTo(qapi.InetChannel("::1", "0")), "migrate", `{"channels": [{"channel-type": "main", "addr": {"transport": "socket", "type": "inet", "host": "::1", "port": "0"}}]}`},
		{"5.2", "", func(c from, a *asked) error {
			return qapi.MigrateIncoming(c, a, qapi.IncomingArguments{URI: "unix:/m"})
		}, "migrate-incoming", `{"uri": "unix:/m"}`},
		{"10.0", "", func(c from, a *asked) error {
			return qapi.MigrateIncoming(c, a, qapi.IncomingArguments{Channels: []qapi.MigrationChannel{qapi.UnixChannel("/m")}, ExitOnError: new(false)})
		}, "migrate-incoming", `{"channels": [{"channel-type": "main", "addr": {"transport": "socket", "type": "unix", "path": "/m"}}], "exit-on-error": false}`},
		{"5.2", "", only(qapi.MigrateCancel), "migrate_cancel", ""},
		{"5.2", "", func(c from, a *asked) error { return qapi.MigrateContinue(c, a, qapi.MigrationPreSwitchover) }, "migrate-continue", `{"state": "pre-switchover"}`},
		{"5.2", "", only(qapi.MigrateStartPostcopy), "migrate-start-postcopy", ""},
		{"5.2", "", only(qapi.MigratePause), "migrate-pause", ""},
		{"5.2", "", func(c from, a *asked) error { return qapi.MigrateRecover(c, a, "unix:/r") }, "migrate-recover", `{"uri": "unix:/r"}`},
		{"5.2", "", func(c from, a *asked) error {
			return qapi.SetMigrateCapabilities(c, a, map[string]bool{"xbzrle": true, "events": false})
		}, "migrate-set-capabilities", `{"capabilities": [{"capability": "events", "state": false}, {"capability": "xbzrle", "state": true}]}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.SetMigrateCapabilities(c, a, nil) }, "migrate-set-capabilities", `{"capabilities": []}`},
		{"5.2", "", func(c from, a *asked) error {
			return qapi.SetMigrateParameters(c, a, map[string]any{"max-bandwidth": 5})
		}, "migrate-set-parameters", `{"max-bandwidth": 5}`},

		{"5.2", "", func(c from, a *asked) error {
			return qapi.ObjectAdd(c, a, "memory-backend-ram", "m", map[string]any{"size": 4096})
		}, "object-add", `{"qom-type": "memory-backend-ram", "id": "m", "size": 4096}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.ObjectDel(c, a, "m") }, "object-del", `{"id": "m"}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.DeviceAdd(c, a, "e1000", "n", nil) }, "device_add", `{"driver": "e1000", "id": "n"}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.DeviceDel(c, a, "n") }, "device_del", `{"id": "n"}`},
		{"5.2", `[]`, func(c from, a *asked) error { _, err := qapi.QOMList(c, a, "/"); return err }, "qom-list", `{"path": "/"}`},
		{"5.2", `1`, func(c from, a *asked) error { return qapi.QOMGet(c, a, "/machine", "type", new(any)) }, "qom-get", `{"path": "/machine", "property": "type"}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.QOMSet(c, a, "/o", "dump", true) }, "qom-set", `{"path": "/o", "property": "dump", "value": true}`},

		{"5.2", "", func(c from, a *asked) error { return qapi.GetFD(c, a, "f", os.Stdin) }, "getfd", `{"fdname": "f"}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.CloseFD(c, a, "f") }, "closefd", `{"fdname": "f"}`},
		{"5.2", `{"fdset-id": 0, "fd": 9}`, addFD(qapi.AddFDArguments{}), "add-fd", `{}`},
		{"5.2", `{"fdset-id": 0, "fd": 9}`, addFD(qapi.AddFDArguments{FDSet: new(int64(0)), Opaque: "log"}), "add-fd", `{"fdset-id": 0, "opaque": "log"}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.RemoveFD(c, a, 0, nil) }, "remove-fd", `{"fdset-id": 0}`},
		{"5.2", "", func(c from, a *asked) error { return qapi.RemoveFD(c, a, 0, new(9)) }, "remove-fd", `{"fdset-id": 0, "fd": 9}`},

		{"7.2", "", func(c from, a *asked) error {
			return qapi.Yank(c, a, qapi.YankInstance{Type: "migration"}, qapi.YankInstance{Type: "chardev", ID: "c"})
		}, "yank", `{"instances": [{"type": "migration"}, {"type": "chardev", "id": "c"}]}`},
		{"7.2", "", func(c from, a *asked) error { return qapi.Yank(c, a) }, "yank", `{"instances": []}`},
	}
}

func migrateTo(channel qapi.MigrationChannel) func(context.Context, *asked) error {
	return func(ctx context.Context, a *asked) error {
		return qapi.Migrate(ctx, a, qapi.MigrateArguments{Channels: []qapi.MigrationChannel{channel}})
	}
}

func addFD(to qapi.AddFDArguments) func(context.Context, *asked) error {
	return func(ctx context.Context, a *asked) error {
		_, err := qapi.AddFD(ctx, a, os.Stdin, to)
		return err
	}
}

// Each call sends what it should, and what it sends is what the recorded schemas
// allow, from the version on that it says.
func TestCallsSendWhatQEMUTakes(t *testing.T) {
	schemas := qapi.RecordedSchemas(t)
	for i, c := range calls() {
		a := &asked{reply: c.reply}
		require.NoError(t, c.do(t.Context(), a), c.command)
		require.Equal(t, c.command, a.command)
		if c.arguments == "" {
			require.Nil(t, a.arguments, c.command)
		} else {
			require.JSONEq(t, c.arguments, string(a.arguments), c.command)
		}
		for _, version := range qapi.RecordedVersions()[slices.Index(qapi.RecordedVersions(), c.since):] {
			require.NoError(t, schemas[version].Check(a.command, a.arguments), "call %d, QEMU %s", i, version)
		}
	}
}

func TestErrorsAreReturnedUnchanged(t *testing.T) {
	refused := errors.New("the monitor's own message")
	for _, c := range calls() {
		require.ErrorIs(t, c.do(t.Context(), &asked{err: refused}), refused, c.command)
	}
}

func TestFilesGoBesideTheirCommand(t *testing.T) {
	a := &asked{reply: `{"fdset-id": 3, "fd": 9}`}
	info, err := qapi.AddFD(t.Context(), a, os.Stdin, qapi.AddFDArguments{})
	require.NoError(t, err)
	require.Equal(t, qapi.FDInfo{FDSet: 3, FD: 9}, info)
	require.Equal(t, []*os.File{os.Stdin}, a.files)
}

func TestOOBExecutesOutOfBand(t *testing.T) {
	a := &asked{}
	require.NoError(t, qapi.MigratePause(t.Context(), qapi.OOB(a)))
	require.True(t, a.oob)
	for _, s := range qapi.RecordedSchemas(t) {
		require.True(t, s.Command("migrate-pause").OOB)
		require.True(t, s.Command("migrate-recover").OOB)
	}
}

func TestAReplyThatCanNotBeDecodedIsKept(t *testing.T) {
	a := &asked{reply: `{"status": "active", "ram": {"remaining": "much"}}`}
	info, err := qapi.QueryMigrate(t.Context(), a)
	require.ErrorContains(t, err, "qapi: reply to query-migrate")
	require.ErrorAs(t, err, new(*json.UnmarshalTypeError))
	require.JSONEq(t, a.reply, string(info.Raw))
	require.Equal(t, qapi.MigrationActive, info.Status)
}

func TestWhatALaterVersionSendsIsKept(t *testing.T) {
	a := &asked{reply: `{"status": "teleporting", "ram": {"remaining": 18446744073709551615, "holes": 3}, "new": [1]}`}
	info, err := qapi.QueryMigrate(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, qapi.MigrationStatus("teleporting"), info.Status)
	require.Equal(t, uint64(1<<64-1), info.RAM.Remaining)
	require.Nil(t, info.BlockTime)
	require.JSONEq(t, a.reply, string(info.Raw))

	a.reply = `[{"cpu-index": 0, "thread-id": 7, "colour": "red"}]`
	cpus, err := qapi.QueryCPUsFast(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, 7, cpus[0].ThreadID)
	require.JSONEq(t, `{"cpu-index": 0, "thread-id": 7, "colour": "red"}`, string(cpus[0].Raw))
}

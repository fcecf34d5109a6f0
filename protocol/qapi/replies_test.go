package qapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// A reply is what one call got from a QEMU, in a situation with a name.
type reply struct {
	name string // of its file
	call func(context.Context, qapi.Executor) (any, error)
}

// asking makes a reply's call from a function of the package.
func asking[T any](f func(context.Context, qapi.Executor) (T, error)) func(context.Context, qapi.Executor) (any, error) {
	return func(ctx context.Context, e qapi.Executor) (any, error) { return f(ctx, e) }
}

// beforeMigration is asked of a QEMU that has just started.
func beforeMigration() []reply {
	return []reply{
		{"query-status", asking(qapi.QueryStatus)},
		{"query-target", asking(qapi.QueryTarget)},
		{"query-cpus-fast", asking(qapi.QueryCPUsFast)},
		{"query-migrate", asking(qapi.QueryMigrate)},
		{"query-migrate-capabilities", asking(qapi.QueryMigrateCapabilities)},
		{"query-migrate-parameters", asking(qapi.QueryMigrateParameters)},
	}
}

// situations are replies that something was done for.
func situations() []reply {
	return []reply{
		{"query-fdsets", asking(qapi.QueryFDSets)},
		{"query-migrate.active", asking(qapi.QueryMigrate)},
		{"query-migrate.cancelled", asking(qapi.QueryMigrate)},
		{"query-migrate.completed", asking(qapi.QueryMigrate)},
		{"query-status.postmigrate", asking(qapi.QueryStatus)},
		{"query-migrate.failed", asking(qapi.QueryMigrate)},
		{"query-migrate.listening", asking(qapi.QueryMigrate)},
		{"query-migrate.postcopy", asking(qapi.QueryMigrate)},
	}
}

// recorded answers each command with a file.
type recorded string

func (r recorded) Execute(_ context.Context, _ string, _, reply any) error {
	raw, err := os.ReadFile(string(r))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, reply)
}

func path(version, name string) string {
	return filepath.Join("testdata", "replies", version, name+".json")
}

// Every recorded reply is decoded, and nothing in it is left over.
func TestRecordedRepliesAreDecodedWhole(t *testing.T) {
	for _, version := range qapi.RecordedVersions() {
		t.Run(version, func(t *testing.T) {
			for _, r := range append(beforeMigration(), situations()...) {
				file := path(version, r.name)
				value, err := r.call(t.Context(), recorded(file))
				require.NoError(t, err, file)
				raw, err := os.ReadFile(file)
				require.NoError(t, err)
				whole(t, value, raw, file)
			}
		})
	}
}

// whole decodes the reply again into the same type, and fails on what has no field.
func whole(t *testing.T, value any, raw []byte, file string) {
	switch value.(type) {
	case string, map[string]bool, []qapi.CPUInfo: // not decoded by field, or by their own method
		return
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(reflect.New(reflect.TypeOf(value)).Interface()), file)
}

func TestRecordedRepliesSayWhatTheyDo(t *testing.T) {
	for _, version := range qapi.RecordedVersions() {
		ask := func(name string) qapi.Executor { return recorded(path(version, name)) }
		active, err := qapi.QueryMigrate(t.Context(), ask("query-migrate.active"))
		require.NoError(t, err)
		require.Equal(t, qapi.MigrationActive, active.Status)
		require.Positive(t, active.RAM.Remaining)
		require.NotNil(t, active.XBZRLE)

		done, err := qapi.QueryMigrate(t.Context(), ask("query-migrate.completed"))
		require.NoError(t, err)
		require.Equal(t, qapi.MigrationCompleted, done.Status)
		require.Positive(t, done.RAM.DirtySyncCount)
		require.Equal(t, uint64(4096), done.RAM.PageSize)
		require.Zero(t, done.RAM.Remaining)
		status, err := qapi.QueryStatus(t.Context(), ask("query-status.postmigrate"))
		require.NoError(t, err)
		require.Equal(t, qapi.StatePostmigrate, status.Status)

		failed, err := qapi.QueryMigrate(t.Context(), ask("query-migrate.failed"))
		require.NoError(t, err)
		require.Equal(t, qapi.MigrationFailed, failed.Status)
		require.NotEmpty(t, failed.ErrorDesc)

		listening, err := qapi.QueryMigrate(t.Context(), ask("query-migrate.listening"))
		require.NoError(t, err)
		require.Len(t, listening.SocketAddress, 1)
		require.Equal(t, "inet", listening.SocketAddress[0].Type)
		require.NotEqual(t, "0", listening.SocketAddress[0].Port)

		postcopy, err := qapi.QueryMigrate(t.Context(), ask("query-migrate.postcopy"))
		require.NoError(t, err)
		require.Equal(t, qapi.MigrationCompleted, postcopy.Status)
		require.NotNil(t, postcopy.BlockTime)
		require.Len(t, postcopy.VCPUBlockTime, 1)
		require.Equal(t, version == "11.1", len(postcopy.LatencyDist) > 0)

		parameters, err := qapi.QueryMigrateParameters(t.Context(), ask("query-migrate-parameters"))
		require.NoError(t, err)
		require.Equal(t, "300", string(parameters[string(qapi.ParamDowntimeLimit)]))
		sets, err := qapi.QueryFDSets(t.Context(), ask("query-fdsets"))
		require.NoError(t, err)
		require.Equal(t, "a test's", sets[0].FDs[0].Opaque)
		cpus, err := qapi.QueryCPUsFast(t.Context(), ask("query-cpus-fast"))
		require.NoError(t, err)
		require.Len(t, cpus, 2)
		require.Equal(t, "x86_64", cpus[1].Target)
		require.Equal(t, int64(1), cpus[1].Props["core-id"]+cpus[1].Props["socket-id"])
	}
}

// recording passes commands on to a QEMU, and keeps the last reply.
type recording struct {
	*qmp.Session
	last json.RawMessage
}

func (r *recording) Execute(ctx context.Context, command string, arguments, reply any) error {
	r.last = nil
	if err := r.Session.Execute(ctx, command, arguments, &r.last); err != nil || reply == nil {
		return err
	}
	return json.Unmarshal(r.last, reply)
}

// The same calls on real QEMUs, and a little migration of each into nowhere.
// With -update their replies become the recorded ones.
func TestRealQEMUsAnswer(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		version := qemutest.Version(t, binary)
		t.Run(version, func(t *testing.T) {
			v := live{t: t, version: version, recording: monitor(t, binary, "-smp", "2")}
			for _, r := range beforeMigration() {
				v.ask(r.name, r.call)
			}
			v.files()
			v.migrate()
			v.fail(binary)
			v.listen(binary)
			v.postcopy(binary)
		})
	}
}

func monitor(t *testing.T, binary string, args ...string) *recording {
	session, err := qmp.New(t.Context(), qemutest.Monitor(t, binary, args...), qmp.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { session.Close() })
	return &recording{Session: session}
}

// live is one QEMU under test.
type live struct {
	*recording
	t       *testing.T
	version string
}

// ask makes a call whose reply is to be decoded whole, and recorded.
func (v live) ask(name string, call func(context.Context, qapi.Executor) (any, error)) any {
	value, err := call(v.t.Context(), v.recording)
	require.NoError(v.t, err, name)
	whole(v.t, value, v.last, name)
	if *update {
		file := path(v.version, name)
		require.NoError(v.t, os.MkdirAll(filepath.Dir(file), 0o777))
		require.NoError(v.t, os.WriteFile(file, append(bytes.Clone(v.last), '\n'), 0o666))
	}
	return value
}

func (v live) files() {
	info, err := qapi.AddFD(v.t.Context(), v, os.Stdin, qapi.AddFDArguments{Opaque: "a test's"})
	require.NoError(v.t, err)
	v.ask("query-fdsets", asking(qapi.QueryFDSets))
	require.NoError(v.t, qapi.RemoveFD(v.t.Context(), v, info.FDSet, nil))
	require.NoError(v.t, qapi.GetFD(v.t.Context(), v, "f", os.Stdin))
	require.NoError(v.t, qapi.CloseFD(v.t.Context(), v, "f"))
	require.Error(v.t, qapi.CloseFD(v.t.Context(), v, "f"))
}

// migrate cancels one migration that is too slow to end, and lets one end.
func (v live) migrate() {
	ctx := v.t.Context()
	require.NoError(v.t, qapi.SetMigrateCapabilities(ctx, v, map[string]bool{"events": true, "xbzrle": true}))
	slow := map[string]any{"max-bandwidth": 1 << 16, "downtime-limit": 1}
	require.NoError(v.t, qapi.SetMigrateParameters(ctx, v, slow))
	require.NoError(v.t, qapi.Cont(ctx, v))
	nowhere := qapi.MigrateArguments{URI: "exec:cat >/dev/null"}

	require.NoError(v.t, qapi.Migrate(ctx, v, nowhere))
	v.await(qapi.MigrationActive)
	_, err := v.WaitFunc(ctx, 0, func(e qmp.Event) bool { return e.Name == "MIGRATION_PASS" })
	require.NoError(v.t, err)
	v.ask("query-migrate.active", asking(qapi.QueryMigrate))
	require.NoError(v.t, qapi.MigrateCancel(ctx, v))
	v.await(qapi.MigrationCancelled)
	v.ask("query-migrate.cancelled", asking(qapi.QueryMigrate))

	fast := map[string]any{"max-bandwidth": 1 << 33, "downtime-limit": 300}
	require.NoError(v.t, qapi.SetMigrateParameters(ctx, v, fast))
	require.NoError(v.t, qapi.Migrate(ctx, v, nowhere))
	v.await(qapi.MigrationCompleted)
	v.ask("query-migrate.completed", asking(qapi.QueryMigrate))
	v.ask("query-status.postmigrate", asking(qapi.QueryStatus))
}

// postcopy moves a guest in postcopy, over channels where there are any.
func (v live) postcopy(binary string) {
	ctx := v.t.Context()
	source := live{t: v.t, recording: monitor(v.t, binary)}
	v.recording = monitor(v.t, binary, "-incoming", "defer")
	for _, side := range []live{source, v} {
		capabilities := map[string]bool{"events": true, "postcopy-ram": true, "postcopy-blocktime": true}
		if err := qapi.SetMigrateCapabilities(ctx, side, capabilities); err != nil {
			v.t.Skipf("no postcopy here: %v; it wants userfaultfd: sysctl vm.unprivileged_userfaultfd=1", err)
		}
	}
	path := filepath.Join(v.t.TempDir(), "migrate")
	s, err := schema.Query(ctx, v)
	require.NoError(v.t, err)
	to, from := qapi.MigrateArguments{URI: "unix:" + path}, qapi.IncomingArguments{URI: "unix:" + path}
	if s.Has("migrate channels") {
		channels := []qapi.MigrationChannel{qapi.UnixChannel(path)}
		to, from = qapi.MigrateArguments{Channels: channels}, qapi.IncomingArguments{Channels: channels}
	}
	slow := map[string]any{"max-bandwidth": 1 << 16}
	require.NoError(v.t, qapi.SetMigrateParameters(ctx, source, slow))
	require.NoError(v.t, qapi.Cont(ctx, source))
	require.NoError(v.t, qapi.MigrateIncoming(ctx, v, from))
	require.NoError(v.t, qapi.Migrate(ctx, source, to))
	source.await(qapi.MigrationActive)
	require.NoError(v.t, qapi.MigrateStartPostcopy(ctx, source))
	source.await(qapi.MigrationCompleted)
	v.await(qapi.MigrationCompleted)
	v.ask("query-migrate.postcopy", asking(qapi.QueryMigrate))
}

func (v live) await(status qapi.MigrationStatus) {
	_, err := v.WaitFunc(v.t.Context(), 0, func(e qmp.Event) bool {
		var data qapi.MigrationEvent
		return e.Name == "MIGRATION" && e.Decode(&data) == nil && data.Status == status
	})
	require.NoError(v.t, err)
}

// fail migrates to a program that doesn't read.
func (v live) fail(binary string) {
	v.recording = monitor(v.t, binary)
	ctx := v.t.Context()
	require.NoError(v.t, qapi.SetMigrateCapabilities(ctx, v, map[string]bool{"events": true}))
	require.NoError(v.t, qapi.Migrate(ctx, v, qapi.MigrateArguments{URI: "exec:exit 1"}))
	v.await(qapi.MigrationFailed)
	v.ask("query-migrate.failed", asking(qapi.QueryMigrate))
}

// listen expects a migration on a port of the system's choice.
func (v live) listen(binary string) {
	v.recording = monitor(v.t, binary, "-incoming", "defer")
	ctx := v.t.Context()
	require.NoError(v.t, qapi.MigrateIncoming(ctx, v, qapi.IncomingArguments{URI: "tcp:127.0.0.1:0"}))
	v.ask("query-migrate.listening", asking(qapi.QueryMigrate))
}

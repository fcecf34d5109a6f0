package schema_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// The judge of what Check says is QEMU: what is refused here it refuses, what it
// carries out is allowed here.
func TestQEMUAgreesWithCheck(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			session, err := qmp.New(t.Context(), qemutest.Monitor(t, binary), qmp.Options{})
			require.NoError(t, err)
			defer session.Close()
			s, err := schema.Query(t.Context(), session)
			require.NoError(t, err)
			for _, c := range wrongCommands() {
				arguments := object(c.arguments)
				if s.Check(c.command, arguments) == nil {
					continue // this version allows it
				}
				err := session.Execute(t.Context(), c.command, arguments, nil)
				require.Error(t, err, "%s %s", c.command, c.arguments)
			}
			carriedOut := 0
			for _, c := range append(rightCommands(), liveCommands()...) {
				arguments := object(c[1])
				if err := session.Execute(t.Context(), c[0], arguments, nil); err == nil {
					carriedOut++
					require.NoError(t, s.Check(c[0], arguments), "%s %s", c[0], c[1])
				}
			}
			require.GreaterOrEqual(t, carriedOut, len(rightCommands()), "commands carried out")
		})
	}
}

// liveCommands are worth a try on a real QEMU only: some versions take them.
func liveCommands() [][2]string {
	return [][2]string{
		{"device_add", `{"driver": "e1000", "id": "net0", "mac": "52:54:00:12:34:56", "romfile": ""}`},
		{"object-add", `{"qom-type": "memory-backend-ram", "id": "flat", "size": 4096}`},
		{"object-add", `{"qom-type": "memory-backend-ram", "id": "props", "props": {"size": 4096}}`},
		{"netdev_add", `{"type": "hubport", "id": "h", "hubid": 1}`},
		{"netdev_add", `{"type": "socket", "id": "s", "listen": "127.0.0.1:0"}`},
		{"chardev-add", `{"id": "c", "backend": {"type": "ringbuf", "data": {"size": 64}}}`},
		{"chardev-add", `{"id": "n", "backend": {"type": "null", "data": {}}}`},
		{"blockdev-add", `{"driver": "null-co", "node-name": "b", "size": 4096, "read-zeroes": true}`},
		{"blockdev-add", `{"driver": "raw", "node-name": "r", "file": {"driver": "null-co", "size": 4096, "read-zeroes": true}}`},
		{"blockdev-add", `{"driver": "raw", "node-name": "r2", "file": "b"}`},
		{"human-monitor-command", `{"command-line": "info status"}`},
		{"human-monitor-command", `{"command-line": "info status", "cpu-index": 0}`},
		{"qom-set", `{"path": "/objects/flat", "property": "dump", "value": false}`},
		{"migrate-set-parameters", `{"max-bandwidth": 5, "cpu-throttle-increment": 10, "cpu-throttle-tailslow": true}`},
		{"query-qmp-schema", ``},
		{"qmp_capabilities", `{"enable": []}`},
	}
}

// object is nil where there are no arguments.
func object(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

func TestASchemaCanWatchOverASession(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		var guard schema.Guard
		session, err := qmp.New(t.Context(), qemutest.Monitor(t, binary), qmp.Options{Check: guard.Check})
		require.NoError(t, err)
		s, err := schema.Query(t.Context(), session)
		require.NoError(t, err)
		guard.Use(s)
		err = session.Execute(t.Context(), "migrate_cancle", nil, nil)
		require.ErrorAs(t, err, new(*schema.CheckError))
		require.ErrorContains(t, err, "migrate_cancel")
		guard.Use(nil)
		err = session.Execute(t.Context(), "migrate_cancle", nil, nil)
		require.ErrorAs(t, err, new(*qmp.Error))
		require.NoError(t, session.Close())
	}
}

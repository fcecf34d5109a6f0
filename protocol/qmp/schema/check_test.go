package schema_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// A wrong command, as QEMU 10.0 and later know commands, and the error that names it.
type wrong struct{ command, arguments, argument, message string }

func wrongCommands() []wrong {
	return []wrong{
		{"migrat", `{}`, "", "no such command; did you mean migrate or "},
		{"migrate-cancel", `{}`, "", "did you mean migrate_cancel"},
		{"migrate", `{"chanels": []}`, "chanels", "no such argument; did you mean channels?"},
		{"migrate", `{"uri": 5}`, "uri", "5 is not a string"},
		{"migrate", `{"uri": null}`, "uri", "null is not a string"},
		{"migrate", `{"uri": "x", "uri": "y"}`, "uri", "given twice"},
		{"migrate", `{"resume": "yes"}`, "resume", `"yes" is not a boolean`},
		{"migrate", `{"channels": {}}`, "channels", "{} is not an array"},
		{"migrate", `{"channels": [7]}`, "channels[0]", "7 is not an object"},
		{"migrate", `[]`, "", "[] is not an object"},
		{"migrate", `{"channels": [{"channel-type": "main"}]}`, "channels[0].addr", "is missing"},
		{"migrate", `{"channels": [{"channel-type": "mian", "addr": {}}]}`, "channels[0].channel-type", "did you mean main?"},
		{"migrate", `{"channels": [{"channel-type": "main", "addr": {"transport": "socket", "type": "unix", "port": "1"}}]}`, "channels[0].addr.port", "goes only with type inet or vsock"},
		{"migrate", `{"channels": [{"channel-type": "main", "addr": {"transport": "file", "filename": "x", "offset": 0, "args": []}}]}`, "channels[0].addr.args", "goes only with transport exec"},
		{"migrate", `{"channels": [{"channel-type": "main", "addr": {"transport": "exec", "args": ["a", 2]}}]}`, "channels[0].addr.args[1]", "2 is not a string"},
		{"migrate", `{"channels": [{"channel-type": "main", "addr": {}}]}`, "channels[0].addr.transport", "is missing (socket|exec|rdma|file)"},
		{"migrate-recover", ``, "uri", "is missing (str)"},
		{"stop", `{"now": true}`, "now", "takes no arguments"},
		{"object-add", `{"qom-type": "iothread", "id": "x", "size": 7}`, "size", "goes only with qom-type memory-backend-"},
		{"object-add", `{"qom-type": "iothraed", "id": "x"}`, "qom-type", "did you mean iothread?"},
		{"migrate-set-parameters", `{"max-bandwidth": 1.0}`, "max-bandwidth", "not an integer"},
		{"migrate-set-parameters", `{"max-bandwidth": 1e3}`, "max-bandwidth", "not an integer"},
		{"migrate-set-parameters", `{"max-bandwidth": 18446744073709551616}`, "max-bandwidth", "not an integer"},
		{"migrate-set-parameters", `{"max-bandwith": 1}`, "max-bandwith", "did you mean max-bandwidth"},
		{"migrate-set-parameters", `{"tls-creds": 7}`, "tls-creds", "7 is not str or null"},
		{"device_add", `{"id": "x"}`, "driver", "is missing (str)"},
		{"qom-set", `{"path": "/", "property": "x"}`, "value", "is missing (any)"},
	}
}

// Commands that the schema allows. Whether QEMU carries them out is another matter.
func rightCommands() [][2]string {
	return [][2]string{
		{"query-status", ``},
		{"query-status", `{}`},
		{"query-status", ` { } `},
		{"migrate-set-parameters", `{"max-bandwidth": 9223372036854775807, "downtime-limit": 0}`},
		{"migrate-set-parameters", `{"tls-creds": null, "tls-hostname": ""}`},
		{"migrate-set-parameters", `{"\u006dax-bandwidth": 1}`},
		{"migrate-set-capabilities", `{"capabilities": [{"capability": "events", "state": true}]}`},
		{"migrate-set-capabilities", `{"capabilities": []}`},
		{"object-add", `{"size": 1048576, "id": "drover0", "qom-type": "memory-backend-ram"}`},
		{"qom-get", `{"path": "/machine", "property": "type"}`},
	}
}

func TestAWrongCommandIsRefusedByName(t *testing.T) {
	for _, version := range []string{"10.0", "11.1"} {
		s := parsed(t, version)
		for _, c := range wrongCommands() {
			var arguments json.RawMessage
			if c.arguments != "" {
				arguments = json.RawMessage(c.arguments)
			}
			err := s.Check(c.command, arguments)
			wrong, ok := errors.AsType[*schema.CheckError](err)
			require.True(t, ok, "%s %s: %v", c.command, c.arguments, err)
			require.Equal(t, c.command, wrong.Command)
			require.Equal(t, c.argument, wrong.Argument, "%v", err)
			require.Contains(t, err.Error(), c.message)
		}
	}
}

func TestARightCommandIsAllowed(t *testing.T) {
	for _, version := range []string{"7.2", "10.0", "11.1"} {
		s := parsed(t, version)
		for _, c := range rightCommands() {
			var arguments json.RawMessage
			if c[1] != "" {
				arguments = json.RawMessage(c[1])
			}
			require.NoError(t, s.Check(c[0], arguments), "%s: %s %s", version, c[0], c[1])
		}
	}
	s := parsed(t, "11.1")
	for _, arguments := range []string{
		`{"driver": {"any": "property"}}`,
		`{"driver": 1}`,
	} {
		require.Error(t, s.Check("device_add", json.RawMessage(arguments)))
	}
	require.NoError(t, s.Check("device_add", json.RawMessage(`{"driver": "e1000", "mac": "52:54:00:12:34:56", "romfile": ""}`)))
	require.NoError(t, parsed(t, "5.2").Check("object-add", json.RawMessage(`{"qom-type": "memory-backend-ram", "id": "m", "size": 4096}`)))
}

func TestArgumentsThatAreNoJSONAreRefused(t *testing.T) {
	s := parsed(t, "11.1")
	for _, text := range []string{"", "{", `{"uri": "x"`, `{"uri": x}`, "{} {}", "\xff"} {
		err := s.Check("migrate", json.RawMessage(text))
		require.ErrorAs(t, err, new(*schema.CheckError), "%q", text)
	}
}

func FuzzCheck(f *testing.F) {
	s := parsed(f, "11.1")
	for _, c := range wrongCommands() {
		f.Add(c.command, []byte(c.arguments))
	}
	for _, c := range rightCommands() {
		f.Add(c[0], []byte(c[1]))
	}
	f.Fuzz(func(t *testing.T, command string, arguments []byte) {
		err := s.Check(command, arguments)
		if err != nil {
			require.ErrorAs(t, err, new(*schema.CheckError))
			require.NotEmpty(t, err.Error())
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	s := parsed(b, "11.1")
	arguments := json.RawMessage(`{"channels": [{"channel-type": "main", "addr": {"transport": "socket", "type": "unix", "path": "/run/m"}}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Check("migrate", arguments); err != nil {
			b.Fatal(err)
		}
	}
}

package schema_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandsArePrintedAsOnRecord(t *testing.T) {
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			s := parsed(t, version)
			var b strings.Builder
			for _, name := range []string{"stop", "migrate", "migrate-recover", "query-status", "query-migrate", "device_add", "object-add", "query-fdsets"} {
				b.WriteString(s.Command(name).String() + "\n")
			}
			for _, name := range []string{"STOP", "MIGRATION", "SHUTDOWN"} {
				b.WriteString(s.Event(name).String() + "\n")
			}
			for _, name := range []string{"migrate", "migrate-set-parameters", "query-migrate", "device_add"} {
				b.WriteString("\n" + s.Command(name).Describe(5))
			}
			b.WriteString("\n" + s.Event("SHUTDOWN").Describe(1))
			path := filepath.Join("testdata", "print", version+".txt")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
				require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o666))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), b.String())
		})
	}
}

func TestEveryCommandAndEventCanBePrinted(t *testing.T) {
	for _, version := range versions() {
		s := parsed(t, version)
		for _, name := range s.Commands() {
			line := s.Command(name).String()
			require.True(t, strings.HasPrefix(line, name), line)
			require.NotContains(t, line, "?:  ")
			require.NotContains(t, s.Command(name).Describe(3), ": ?", "a type that isn't in the schema")
		}
		for _, name := range s.Events() {
			require.NotContains(t, s.Event(name).Describe(3), ": ?")
		}
	}
}

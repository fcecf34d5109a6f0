package migration_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
)

func parse(text string) (migration.Scenario, error) {
	return migration.Parse("s", "s.scenario", text, steps.Verbs())
}

func TestScenarioFileIsReadWhole(t *testing.T) {
	s, err := parse(`# It happens
# in two lines.

# This is a comment.
needs capability xbzrle since 1.3
needs parameter multifd-compression=zstd since 5.0 build-option
needs schema "migrate channels" since 8.2
needs host userfaultfd
needs arch x86_64 i386
needs fixed-in 10.0 "it drops what it takes"
needs outside 8.0 9.1 "it counts wrongly"
memory 1GiB
workload 64
accelerator tcg,thread=single
ram shared
global migration.store-global-state=off
source args -uuid "a b"   # behind it
destination args -S

set downtime-limit 1ms
both: set multifd-channels 4
	boot
expect refusal migrate {"uri": "x # y", "channels": []}

ends on source
`)
	require.NoError(t, err)
	require.Equal(t, "It happens in two lines.", s.Doc)
	var needs []string
	for _, n := range s.Needs {
		needs = append(needs, n.String())
	}
	require.Equal(t, []string{
		"capability xbzrle since 1.3", "parameter multifd-compression=zstd since 5.0 build-option", `schema "migrate channels" since 8.2`,
		"host userfaultfd", "arch x86_64 i386", `fixed-in 10.0 "it drops what it takes"`, `outside 8.0 9.1 "it counts wrongly"`,
	}, needs)
	require.Equal(t, migration.Guest{
		MemoryMiB: 1024, Pages: 64, RAM: migration.SharedRAM, Accel: "tcg,thread=single",
		Globals:    []migration.Global{{Type: "migration", Property: "store-global-state", Value: "off"}},
		SourceArgs: []string{"-uuid", "a b"}, DestinationArgs: []string{"-S"},
	}, s.Guest)
	require.Equal(t, record.OnSource, s.Ends)
	var names []string
	for _, step := range s.Steps {
		names = append(names, step.Name)
	}
	require.Equal(t, []string{
		"set downtime-limit 1ms", "both: set multifd-channels 4", "boot", `expect refusal migrate {"uri": "x # y", "channels": []}`,
	}, names)
	require.Equal(t, 20, s.Steps[0].Line)
}

func TestLineThatMakesNoSenseIsRefused(t *testing.T) {
	for _, c := range []struct{ text, wants string }{
		{"", "there is no step in it"},
		{"# only words", "there is no step in it"},
		{`needs outside 9.1 8.0 "it counts wrongly"`, "the first release with the bug, 9.1, is newer than the last, 8.0"},
		{"boot\nbote", `s.scenario:2: there is no verb "bote"; did you mean boot?`},
		{"await switchovr", `s.scenario:1: there is no verb "await switchovr"; did you mean await switchover?`},
		{"await", `there is no verb "await"; did you mean`},
		{"set", "the parameter is missing; write: set PARAMETER VALUE, for instance set downtime-limit 300ms"},
		{"set downtime-limit", "the value is missing"},
		{"set downtime-limit 1ms 2ms", `"2ms" is too much`},
		{"set Downtime 1", `"Downtime" is no name of a parameter, such as max-bandwidth`},
		{"await passes many", `"many" is not the number: a whole number, such as 4`},
		{"await passes -1", "a whole number"},
		{"await status actve", `"actve" is not a migration status; did you mean active?`},
		{"sauce: set downtime-limit 1ms", `"sauce:" is no side: it is source:, destination: or both:`},
		{"destination:", "a verb is missing behind destination:"},
		{"destination: boot", `"boot" takes no destination: before it`},
		{"migrate", `s.scenario:1: "migrate" makes no sense before "listen": put that line above it`},
		{"listen tcp\nmigrate\nopen tap", `s.scenario:3: "open tap" makes no sense before "tap"`},
		{"listen tcp\nmigrate\nmigrate-start-postcopy", `makes no sense before "enable postcopy-ram"`},
		{"boot\nends on source\nboot", `s.scenario:3: "boot" comes behind "ends on source", which must be the last line`},
		{"boot\nends nowhere", `"nowhere" is nowhere that a guest ends`},
		{"boot\nneeds capability multifd since 4.0", "must be before its first step"},
		{"needs capability multifd", "a need has the release since which QEMU has it: since 8.2"},
		{"needs capability multifd since new", `"new" is no release of QEMU: it is two numbers, such as 8.2`},
		{"needs host time", `"time" is not a host's feature; it is one of`},
		{"memory lots", `"lots" is not the size: a size, such as 4096, 256MiB or 1GB`},
		{"memory 1000", "the memory must be whole MiB"},
		{`expect error "unfinished`, "has no closing quote"},
		{`expect refusal migrate {"uri": "x"`, "has no closing bracket"},
		{`qmp stop {nothing}`, "is not valid JSON"},
		{"expect throughput 60MB/s within 1.2 during await pases 1", `there is no verb "await pases"; did you mean await passes, or`},
		{"listen nowhere", `"nowhere" is nowhere to listen on`},
		{strings.Repeat("# x\n", 1<<19), "more than a scenario file may have"},
	} {
		_, err := parse(c.text)
		require.ErrorContains(t, err, c.wants, "%.40s", c.text)
	}
}

func TestErrorsOfAFileAreAllToldUpToTwenty(t *testing.T) {
	_, err := parse(strings.Repeat("nonsense\n", 100))
	require.Equal(t, 21, strings.Count(err.Error(), "\n")+1)
	require.ErrorContains(t, err, "s.scenario:20:")
	require.ErrorContains(t, err, "too many errors")
}

// FuzzParse: no text makes the reader panic, and what it takes it takes again.
func FuzzParse(f *testing.F) {
	f.Add("# a\nneeds host userfaultfd\nset downtime-limit 1ms\nboot\nlisten tcp\ntap\nmigrate\nawait passes 1\nends on source\n")
	f.Add(`qmp migrate {"uri": "a\"b", "channels": [{}]}` + "\nexpect error \"\\x05\"\n")
	f.Add("destination: expect stderr \"x\"\nboth: set a 1\n\tboot # x\r\n")
	vocabulary := steps.Verbs()
	f.Fuzz(func(t *testing.T, text string) {
		s, err := migration.Parse("f", "f", text, vocabulary)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, step := range s.Steps {
			again.WriteString(step.Name + "\n")
		}
		same, err := migration.Parse("f", "f", again.String(), vocabulary)
		require.NoError(t, err, again.String())
		require.Len(t, same.Steps, len(s.Steps))
	})
}

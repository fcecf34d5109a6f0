package coverage_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/coverage"
	"github.com/drover-vm/drover/protocol/qmp/schema"
)

func parse(t *testing.T, text string) coverage.List {
	t.Helper()
	list, err := coverage.Parse(text)
	require.NoError(t, err)
	return list
}

func TestLineSaysWhoWatches(t *testing.T) {
	list := parse(t, `
# A comment.
capability xbzrle = precopy/unix/xbzrle, check counts
argument migrate channels addr transport=socket type=inet host = precopy/tcp/plain
capability x-colo = nothing can: it needs = two guests, and disks
  run-state debug = nobody yet: no debugger
gaps = 1
`)
	require.Equal(t, coverage.List{Gaps: 1, Entries: []coverage.Entry{
		{Item: coverage.Item{Kind: coverage.Capability, Name: "xbzrle"}, Line: 3, Scenarios: []string{"precopy/unix/xbzrle"}, Checks: []string{"counts"}},
		{Item: coverage.Item{Kind: coverage.Argument, Name: "migrate channels addr transport=socket type=inet host"}, Line: 4, Scenarios: []string{"precopy/tcp/plain"}},
		{Item: coverage.Item{Kind: coverage.Capability, Name: "x-colo"}, Line: 5, Impossible: "it needs = two guests, and disks"},
		{Item: coverage.Item{Kind: coverage.RunState, Name: "debug"}, Line: 6, Gap: "no debugger"},
	}}, list)
}

func TestLineThatCannotBeReadIsNamed(t *testing.T) {
	for text, says := range map[string]string{
		"":                                       "line 0: the number of gaps is missing; write: gaps = NUMBER",
		"capability x":                           `line 1: "capability x" has no " = "; write: KIND NAME = SCENARIO, check NAME`,
		"\n\ncapability = x":                     `line 3: "capability" does not begin with a kind and a name; the kinds are [capability parameter`,
		"feature x = y":                          `"feature x" does not begin with a kind`,
		"capability a  b = y":                    "the words of a name have one blank between them",
		"capability x = a b":                     `"a b" is neither a scenario nor a check; write: SCENARIO, check NAME`,
		"capability x = a,":                      `"" is neither a scenario nor a check`,
		"capability x = never: no":               `"never: no" is neither a scenario nor a check`,
		"capability x = nothing can:":            `the reason behind "nothing can:" is missing`,
		"capability x = nobody yet: ":            `the reason behind "nobody yet:" is missing`,
		"capability x = a\ncapability x = b":     "line 2: the capability x stands in line 1 as well",
		"gaps = many":                            "how many gaps there are is one whole number, once",
		"gaps = -1":                              "how many gaps there are is one whole number, once",
		"gaps = 0\ngaps = 0":                     "line 2: ",
		"capability " + strings.Repeat("x", 1e6): `has no " = "`,
	} {
		_, err := coverage.Parse(text)
		require.ErrorContains(t, err, says, "%.60q", text)
		var wrong *coverage.SyntaxError
		require.ErrorAs(t, err, &wrong)
		require.Less(t, len(err.Error()), 400)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("capability xbzrle = precopy/unix/xbzrle, check counts\ngaps = 0\n")
	f.Add("run-state debug = nobody yet: no debugger\ngaps = 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := coverage.Parse(text)
		if err != nil {
			require.Empty(t, list.Entries)
			return
		}
		for _, e := range list.Entries {
			require.NotEmpty(t, e.Name)
			require.True(t, len(e.Scenarios)+len(e.Checks) > 0 || e.Impossible != "" || e.Gap != "")
		}
	})
}

// small is the schema of a QEMU that offers little.
func small(t *testing.T) []coverage.Recorded {
	t.Helper()
	s, err := schema.Parse([]byte(`[
		{"name": "migrate-set-parameters", "ret-type": "0", "meta-type": "command", "arg-type": "1"},
		{"name": "0", "members": [], "meta-type": "object"},
		{"name": "1", "members": [
			{"name": "mode", "default": null, "type": "2"},
			{"name": "downtime-limit", "default": null, "type": "int"}
		], "meta-type": "object"},
		{"name": "2", "members": [{"name": "normal"}], "meta-type": "enum", "values": ["normal"]},
		{"name": "int", "json-type": "int", "meta-type": "builtin"},
		{"name": "MIGRATION_PASS", "arg-type": "3", "meta-type": "event"},
		{"name": "3", "members": [{"name": "pass", "type": "int"}], "meta-type": "object"},
		{"name": "DEVICE_DELETED", "arg-type": "3", "meta-type": "event"}
	]`))
	require.NoError(t, err)
	return []coverage.Recorded{{Version: "9.9", Schema: s}}
}

const complete = `
parameter mode = a
parameter mode normal = check pages
parameter downtime-limit = a
event MIGRATION_PASS = check pages
event MIGRATION_PASS pass = check pages
gaps = 0
`

func ofHouse() coverage.Watchers {
	return coverage.Watchers{
		Scenarios: map[string]string{"a": "# set downtime-limit in a comment\nboth: set mode normal\nset downtime-limit 1ms\n", "b": "boot\n"},
		Checks:    []string{"pages"},
	}
}

func TestCompleteListHasNoProblems(t *testing.T) {
	require.Empty(t, parse(t, complete).Problems(small(t), ofHouse()))
}

// TestProblemSaysWhatToDo: each is one change of a list that is complete.
func TestProblemSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct{ old, now, says string }{
		"an item that nobody has thought of": {
			"parameter mode = a\n", "",
			`QEMU 9.9 has the parameter mode, which migration/scenarios/coverage.txt lacks: add a line "parameter mode = " with the scenarios and checks that would notice if it did nothing, or with "nothing can:" or "nobody yet:" and why`,
		},
		"an item that no QEMU has": {
			"parameter downtime-limit = a", "parameter downtime-limit = a\nparameter downtime-limits = check pages",
			"coverage.txt:5: no recorded schema has the parameter downtime-limits: remove the line, or correct it; did you mean parameter downtime-limit?",
		},
		"no such scenario":                {"mode = a", "mode = c", `coverage.txt:2: there is no scenario c: name one of those that "drover list" prints`},
		"no such check":                   {"check pages", "check page", `there is no check "page": name one of those that package record has; did you mean pages?`},
		"a scenario that does not set it": {"mode = a", "mode = b", "coverage.txt:2: the scenario b is said to watch the parameter mode, and its file does not set it: name one that does, or let this one"},
		"a gap that is not counted":       {"mode = a", "mode = nobody yet: no time", `has 1 lines with "nobody yet:", and says that it has 0: close the gap that is new, or correct the number`},
		"a gap that is closed":            {"gaps = 0", "gaps = 1", `has 0 lines with "nobody yet:", and says that it has 1`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, complete, c.old)
			problems := parse(t, strings.Replace(complete, c.old, c.now, 1)).Problems(small(t), ofHouse())
			require.Len(t, problems, 1)
			require.Contains(t, problems[0], c.says)
		})
	}
}

// TestScenarioSetsWhatItWatches, in any of the ways in which a file can.
func TestScenarioSetsWhatItWatches(t *testing.T) {
	for _, c := range []struct {
		item, line string
		sets       bool
	}{
		{"capability xbzrle", "enable xbzrle", true},
		{"capability multifd", "source: enable postcopy-ram multifd since 10.1", true},
		{"capability xbzrle", "disable xbzrle", false},
		{"capability xbzrle", "set xbzrle-cache-size 64MiB", false},
		{"capability xbzrle", "# enable xbzrle", false},
		{"parameter max-bandwidth", "set max-bandwidth 1GB/s", true},
		{"parameter max-bandwidth", "needs parameter max-bandwidth since 2.0", false},
		{"parameter max-bandwidth", "set max-postcopy-bandwidth 1GB/s", false},
		{"parameter max-bandwidth", "migrate_set_speed 12345", true},
		{"parameter downtime-limit", "migrate_set_downtime 0.1", true},
		{"parameter cpr-exec-command", "set cpr-exec-command", true},
		{"parameter mode cpr-reboot", "both: set mode cpr-reboot", true},
		{"parameter mode cpr-reboot", "both: set mode cpr-transfer", false},
		{"parameter tls-creds", "use psk mismatch", true},
		{"parameter tls-hostname", "use x509 server=a expect=a", true},
		{"parameter tls-hostname", "use x509 server=a", false},
		{"parameter tls-authz", "use x509 server=a verify admit=b", true},
		{"parameter m names", `destination: qmp migrate-set-parameters {"m": [{"names": 1}]}`, true},
		{"parameter m names", `destination: qmp migrate-set-parameters {"m": 1}`, false},
		{"status setup", "boot", true},
	} {
		list := parse(t, c.item+" = it\ngaps = 0")
		problems := strings.Join(list.Problems(nil, coverage.Watchers{Scenarios: map[string]string{"it": c.line}}), "\n")
		require.Equal(t, c.sets, !strings.Contains(problems, "does not set it"), "%s: %s", c.item, c.line)
	}
}

func TestItemsAreThoseOfTheSchema(t *testing.T) {
	var names []string
	for _, item := range coverage.Items(small(t)[0].Schema) {
		names = append(names, item.String())
	}
	require.Equal(t, []string{
		"parameter downtime-limit", "parameter mode", "parameter mode normal", "event MIGRATION_PASS", "event MIGRATION_PASS pass",
	}, names)
}

// TestEachKindIsFoundInRecordedSchemas: a list of nothing would always be complete.
func TestEachKindIsFoundInRecordedSchemas(t *testing.T) {
	fleet, err := coverage.ReadRecorded(os.DirFS("../../protocol/qmp/schema/testdata"))
	require.NoError(t, err)
	var versions []string
	for _, r := range fleet {
		versions = append(versions, r.Version)
		had := map[coverage.Kind]int{}
		for _, item := range coverage.Items(r.Schema) {
			had[item.Kind]++
		}
		for _, kind := range coverage.Kinds() {
			require.GreaterOrEqual(t, had[kind], 3, "%s of QEMU %s", kind, r.Version)
		}
	}
	require.Equal(t, []string{"5.2", "7.2", "10.0", "11.1"}, versions)
	all := coverage.Items(fleet[3].Schema)
	for _, item := range []coverage.Item{
		{Kind: coverage.Capability, Name: "mapped-ram"},
		{Kind: coverage.Parameter, Name: "mode cpr-exec"},
		{Kind: coverage.Parameter, Name: "tls-creds"},
		{Kind: coverage.Argument, Name: "migrate channels addr transport=socket type=inet host"},
		{Kind: coverage.Argument, Name: "migrate-incoming exit-on-error"},
		{Kind: coverage.RunState, Name: "watchdog"},
		{Kind: coverage.Status, Name: "failing"},
		{Kind: coverage.Event, Name: "UNPLUG_PRIMARY device-id"},
		{Kind: coverage.Reply, Name: "query-migrate xbzrle-cache overflow"},
	} {
		require.Contains(t, all, item)
	}
}

func TestRecordedSchemasThatCannotBeReadAreErrors(t *testing.T) {
	for says, folder := range map[string]fstest.MapFS{
		"there is no recorded schema, VERSION.json.gz": {"README": {}},
		"1.0.json.gz: ": {"1.0.json.gz": {Data: []byte("[]")}},
	} {
		_, err := coverage.ReadRecorded(folder)
		require.ErrorContains(t, err, says)
	}
}

func TestPageHasATableForEachKind(t *testing.T) {
	list := parse(t, strings.Replace(complete, "mode = a", "mode = nothing can: it is | what it is", 1))
	page := coverage.Page(list, small(t))
	for _, line := range []string{
		"| [Parameters](#parameters) | 3 | 2 | 1 | 0 |",
		"| all | 5 | 4 | 1 | 0 |",
		"## Members of query-migrate's reply",
		"| `downtime-limit` | all | a |",
		"| `mode` | all | nothing can: it is \\| what it is |",
		"| `mode normal` | all | check \"pages\" |",
	} {
		require.Contains(t, page, line+"\n")
	}
}

func TestEntriesAreFoundByTheEndOfTheirName(t *testing.T) {
	list := parse(t, complete)
	for name, want := range map[string]int{"mode": 1, "parameter mode": 1, "normal": 1, "mode normal": 1, "pass": 1, "MIGRATION_PASS": 1, "limit": 0, "": 0} {
		require.Len(t, list.About(name), want, name)
	}
}

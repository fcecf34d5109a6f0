package drover_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/drover-vm/drover"

// never is what a room must not reach, by any way, and why. Rooms of this module
// go by their folder; ... is everything below one. Only what is built
// into the room counts: its tests may reach what they like.
func never() []rule {
	return []rule{
		{"protocol/...", "os/exec", "a session must not know how its QEMU was started: then it serves as well for one that somebody else started"},
		{"protocol/...", "launcher/...", "a session is given a connection, it doesn't make a QEMU"},
		{"protocol/...", "migration/...", "a protocol carries migration's commands and doesn't know what they are for"},
		{"protocol/...", "fleet", "a session is given a connection, it doesn't look for a QEMU"},
		{"protocol/...", "host", "what a machine can do decides which scenarios run, not how a session speaks"},
		{"protocol/...", "fixtures/...", "what the guest runs is nothing to a protocol that carries its bytes"},
		{"protocol/qmp", "protocol/qapi", "a session carries commands and doesn't know which there are"},
		{"protocol/qmp", "protocol/qtest", "the two protocols are side by side, and each is of use alone"},
		{"protocol/qtest", "protocol/qmp", "the two protocols are side by side, and each is of use alone"},
		{"protocol/qapi", "protocol/qmp", "commands are functions of anything that executes them, a fake as well as a session"},
		{"protocol/fakeqemu", "protocol/qmp", "a peer that shared code with the client would share its mistakes"},
		{"protocol/fakeqemu", "protocol/qtest", "a peer that shared code with the client would share its mistakes"},
		{"protocol/internal/...", "protocol/qmp", "a log doesn't know what an entry is"},
		{"protocol/internal/...", "protocol/qtest", "a log doesn't know what an entry is"},

		{"fixtures", "os/exec", "guest programs are bytes: who boots them is somebody else's business"},
		{"fixtures", "net", "guest programs are bytes, there when the program is built"},
		{"fixtures", "launcher/...", "guest programs are bytes: who boots them is somebody else's business"},
		{"fixtures", "tools/...", "whoever embeds a guest program doesn't carry an assembler"},
		{"tools/...", "launcher/...", "the assembler knows no Go code outside tools and fixtures, and whoever tortures drover only its command line"},
		{"tools/...", "migration/...", "the assembler knows no Go code outside tools and fixtures, and whoever tortures drover only its command line"},
		{"tools/...", "protocol/...", "the assembler knows no Go code outside tools and fixtures, and whoever tortures drover only its command line"},
		{"tools/gen-bootsect/...", "fixtures", "the assembler must build where its last output is broken or gone"},
		{"tools/gen-bootsect/...", "os/exec", "it assembles by itself, on machines without an assembler"},

		{"guest/...", "launcher/...", "a Linux guest is files and lines: who starts it and reads them is somebody else's business"},
		{"guest/...", "migration/...", "a guest doesn't know that it moves"},
		{"guest/...", "fleet", "a guest is given its kernel"},
		{"guest/peer", "os/exec", "a switch is connected to, and starts nothing"},
		{"guest/peer", "guest", "a host on a network doesn't know what the guest at the other end is made of"},
		{"guest/wire", "os/exec", "what both ends say is bytes"},
		{"guest/init", "guest", "the guest carries nothing of the host's end"},

		{"launcher/...", "migration/...", "one QEMU process knows nothing of scenarios"},
		{"launcher", "fleet", "a launcher is told which QEMU to start: finding and fetching are for its caller"},
		{"launcher/probe", "fleet", "a binary is asked what it is, wherever it comes from"},
		{"launcher", "guest/...", "a launcher is told what to boot, and passes on what the guest says"},
		{"launcher/...", "golang.org/x/term", "a terminal belongs to the command line"},
		{"launcher/probe", "protocol/qtest", "a binary is asked what it is, and no guest is touched"},
		{"launcher/probe", "launcher", "a binary is asked what it is before anybody starts it"},

		{"fleet", "launcher/...", "whoever finds and fetches QEMUs doesn't know what they are used for"},
		{"fleet", "migration/...", "whoever finds and fetches QEMUs doesn't know what they are used for"},
		{"fleet", "net/http", "downloading is the package manager's job: it knows the mirrors and checks the signatures"},
		{"host", "protocol/...", "facts about this machine need no QEMU"},
		{"host", "launcher/...", "facts about this machine need no QEMU"},
		{"host", "os/exec", "the host is asked through the kernel, not through other programs"},

		{"migration/...", "golang.org/x/term", "a terminal belongs to the command line: the same scenario serves go test"},
		{"migration/...", "os/signal", "Ctrl-C is the command line's to know; a run gets a context"},
		{"migration/...", "fleet", "a run is given its QEMUs"},
		{"migration", "migration/steps", "the engine is given the verbs: a program may bring others, and a verb is added without it"},
		{"migration", "migration/scenarios", "the engine runs any scenario, also one that no catalogue has"},
		{"migration/steps", "migration/scenarios", "a verb is for those who write scenarios, and knows none of these"},
		{"migration/steps", "cmd/...", "what a scenario can say doesn't depend on how it is started"},
		{"migration/internal/link", "migration", "a connection that can be disturbed knows no pair of VMs, so that it is tested without one"},
		{"migration/internal/tpmstub", "migration", "any QEMU may connect to an emulator"},
		{"migration/internal/rfb", "migration", "a VNC server is asked, whoever's it is"},
		{"migration/internal/ram", "migration", "memory is compared without knowing what the run is about"},
		{"migration/internal/canary", "migration", "a register is written and read over any qtest session"},
		{"migration/internal/pci", "migration", "configuration space is read over any qtest session"},
		{"migration/internal/procfs", "migration", "the kernel is asked about a process, whatever it is for"},
		{"migration/internal/acpi", "migration", "tables are read from memory, wherever it comes from"},
		{"migration/internal/testpki", "migration", "certificates are made without knowing which side shows them"},
		{"migration", "migration/report", "a run gathers facts and doesn't know how they will look"},
		{"migration/record", "launcher/...", "a judge sees the saved facts, never the live VMs: so a run can be judged again"},
		{"migration/record", "protocol/...", "a judge sees the saved facts, never the live VMs: so a run can be judged again"},
		{"migration/record", "os/exec", "a judge sees the saved facts, never the live VMs: so a run can be judged again"},
		{"migration/record", "net", "a judge sees the saved facts, never the live VMs: so a run can be judged again"},
		{"migration/preflight", "launcher/...", "a prediction is made of what QEMUs said, on a machine that has none of them as well"},
		{"migration/preflight", "protocol/...", "a prediction is made of what QEMUs said, on a machine that has none of them as well"},
		{"migration/preflight", "os/exec", "a prediction is made of what QEMUs said, on a machine that has none of them as well"},
		{"migration/preflight", "migration/record", "a prediction doesn't know what became of it"},
		{"migration/coverage", "migration", "what is watched is a text, held against schemas and scenarios' files: nothing has to run"},
		{"migration/coverage", "migration/record", "what is watched is a text, and checks are names in it"},
		{"migration/coverage", "os/exec", "what QEMU offers is told by recorded schemas"},
		{"migration/stream", "os/exec", "a stream is bytes: they may be of a QEMU that ran last year on another machine"},
		{"migration/stream", "launcher/...", "a stream is bytes: they may be of a QEMU that ran last year on another machine"},
		{"migration/stream", "protocol/...", "what is in a stream is told by the stream alone, so that it can be held against what QEMU says"},
		{"migration/stream", "migration/record", "a reader says what it finds, and doesn't know what a run should have sent"},
		{"migration/stream", "net", "a reader is given bytes, and doesn't fetch them"},
		{"migration/bench", "golang.org/x/term", "a terminal belongs to the command line"},
		{"migration/bench", "migration/scenarios", "a cell of a bench is a scenario of its own, none of the catalogue's"},
		{"migration/bench/stats", "launcher/...", "numbers are compared on a machine that has no QEMU as well"},
		{"migration/bench/stats", "protocol/...", "numbers are compared on a machine that has no QEMU as well"},
		{"migration/bench/stats", "migration", "a comparison knows samples, and not how they came about"},
		{"migration/bench/stats", "migration/record", "a comparison knows samples, and not how they came about"},
		{"migration/bench/stats", "os/exec", "a comparison starts nothing"},
		{"migration/report", "launcher/...", "a report reads what the checks read, never the live VMs"},
		{"migration/report", "protocol/...", "a report reads what the checks read, never the live VMs"},
		{"migration/report", "os/exec", "a report reads what the checks read, never the live VMs"},
	}
}

// neverImports is what a room must not name itself, though what it calls may.
func neverImports() []rule {
	return []rule{
		{"cmd/drover", "protocol/qmp", "the command line knows scenarios and records, no details of a protocol"},
		{"cmd/drover", "protocol/qtest", "the command line knows scenarios and records, no details of a protocol"},
		{"cmd/drover", "os/exec", "processes are the launcher's and the fleet's"},
		{"migration", "os/exec", "processes are the launcher's"},
	}
}

type rule struct{ room, thing, why string }

func TestNoRoomReachesWhatItMustNotKnow(t *testing.T) {
	for _, r := range never() {
		for _, p := range mustMatch(t, r.room) {
			for _, reached := range slices.Sorted(maps.Keys(reach(p))) {
				require.False(t, matches(r.thing, reached), "%s reaches %s, but %s; the way is %s",
					p.folder(), reached, r.why, strings.Join(way(p, reached), ", "))
			}
		}
	}
	for _, r := range neverImports() {
		for _, p := range mustMatch(t, r.room) {
			for _, imported := range p.Imports {
				require.False(t, matches(r.thing, imported), "%s imports %s, but %s", p.folder(), imported, r.why)
			}
		}
	}
}

// TestReachIsWhatIsBuiltIn: the rules above hold for ever if nothing is ever found
// to reach anything.
func TestReachIsWhatIsBuiltIn(t *testing.T) {
	p := mustMatch(t, "cmd/drover")[0]
	require.Contains(t, reach(p), "os/exec")
	probe := mustMatch(t, "launcher/probe")[0]
	require.Equal(t, []string{module + "/launcher/probe", module + "/protocol/qmp", module + "/protocol/internal/eventlog"}, way(probe, module+"/protocol/internal/eventlog"))
	require.NotContains(t, reach(p), module+"/protocol/fakeqemu")

	require.True(t, matches("launcher", module+"/launcher"))
	require.False(t, matches("launcher", module+"/launcher/probe"))
	require.True(t, matches("launcher/...", module+"/launcher"))
	require.True(t, matches("launcher/...", module+"/launcher/probe"))
	require.True(t, matches("net", "net"))
	require.False(t, matches("net", "net/url"))
	require.False(t, matches("net/...", "network"))
}

// TestRoomsCallOnlyRoomsBelowThem takes the order from the map itself: the first
// block of ARCHITECTURE.md.
func TestRoomsCallOnlyRoomsBelowThem(t *testing.T) {
	order := roomsOnTheMap(t)
	for place, room := range order {
		for _, imported := range mustMatch(t, room)[0].Imports {
			other := slices.Index(order, strings.TrimPrefix(imported, module+"/"))
			require.True(t, other < 0 || other > place, "%s imports %s, which stands above it on the map", room, imported)
		}
	}
}

// TestTheCatalogueHasNoLogic: a scenario is a file that is read alone, so what makes one
// differ from another is in the file, not in Go beside it.
func TestTheCatalogueHasNoLogic(t *testing.T) {
	p := mustMatch(t, "migration/scenarios")[0]
	require.Equal(t, []string{"scenarios.go"}, p.GoFiles, "%s has one Go file, which reads the others: an act that a scenario lacks is a verb in migration/steps", p.folder())
	for _, imported := range p.Imports {
		allowed := matches("migration", imported) || matches("migration/steps", imported) || packages(t)[imported].Standard
		require.True(t, allowed, "%s imports %s, but it only reads its files with the vocabulary: migration, migration/steps and the standard library do for that", p.folder(), imported)
	}
}

// TestTheEngineStaysSmall: those who write a scenario or a verb in Go read all that the
// engine offers, and those who change it a file in one sitting.
func TestTheEngineStaysSmall(t *testing.T) {
	const longestFile, longestDoc = 300, 60
	p := mustMatch(t, "migration")[0]
	for _, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		require.NoError(t, err)
		lines := strings.Count(string(text), "\n")
		require.LessOrEqual(t, lines, longestFile, "migration/%s has %d lines, and may have %d: divide it, a file a noun", name, lines, longestFile)
	}
	doc, err := exec.Command("go", "doc", "-short", "./migration").Output()
	require.NoError(t, err)
	lines := strings.Count(string(doc), "\n")
	require.NotZero(t, lines)
	require.LessOrEqual(t, lines, longestDoc, "go doc -short ./migration has %d lines, and may have %d, two screens: unexport what one verb alone needs, or move it to migration/steps", lines, longestDoc)
}

func TestProtocolPackagesNeedOnlyTheStandardLibraryAndXSys(t *testing.T) {
	for _, p := range mustMatch(t, "protocol/...") {
		for reached := range reach(p) {
			other := packages(t)[reached]
			inModule := strings.HasPrefix(reached, module+"/")
			require.True(t, other.Standard || inModule || strings.HasPrefix(reached, "golang.org/x/sys/"),
				"%s reaches %s: whoever imports a protocol package inherits the standard library and golang.org/x/sys, nothing else", p.folder(), reached)
		}
	}
}

// TestTheGuestNeedsOnlyTheStandardLibrary: it is built from embedded source, where there may be
// no module proxy.
func TestTheGuestNeedsOnlyTheStandardLibrary(t *testing.T) {
	for reached := range reach(mustMatch(t, "guest/init")[0]) {
		require.True(t, packages(t)[reached].Standard || reached == module+"/guest/wire", "guest/init reaches %s", reached)
	}
}

// TestNothingThatIsBuiltCarriesTestCode: what a user links has no flags, no
// assertions and no test doubles of the test frameworks. launcher/launchertest is linked
// by users' tests, as testing/fstest is: it takes a testing.TB, and may reach package
// testing for it, but brings nobody a library of assertions. Nothing else reaches it.
func TestNothingThatIsBuiltCarriesTestCode(t *testing.T) {
	forTests := []string{"internal/qemutest", "internal/fakeprocess", "launcher/launchertest"}
	things := append([]string{"testing", "github.com/stretchr/testify/..."}, forTests...)
	for _, p := range ours(t) {
		allowed := func(string) bool { return false }
		switch p.folder() {
		case "launcher/launchertest":
			allowed = func(thing string) bool { return thing == "testing" }
		case "internal/qemutest", "internal/fakeprocess": // for our own tests only, as the next lines make sure
			continue
		}
		for _, thing := range things {
			for reached := range reach(p) {
				require.False(t, matches(thing, reached) && !allowed(thing), "%s reaches %s outside its tests", p.folder(), reached)
			}
		}
	}
}

// TestMainModuleHasNoLinters: they are pinned in tools/lint, a module of its own.
func TestMainModuleHasNoLinters(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	require.NotRegexp(t, `(?m)^tool\b|honnef\.co|mvdan\.cc|golang\.org/x/vuln`, string(text))
	require.FileExists(t, "tools/lint/go.mod")
}

func TestArchitectureNamesEveryRoom(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	require.NoError(t, err)
	for _, p := range ours(t) {
		folder := p.folder()
		// What is internal to a room is part of it.
		if room, _, inside := strings.Cut(folder, "/internal/"); inside && !strings.HasPrefix(room, "protocol") {
			folder = room
		}
		require.Contains(t, string(text), "`"+folder+"`", "ARCHITECTURE.md says what each room is for, but not what %s is for", folder)
	}
}

// TestDocumentsNameOnlyWhatExists follows every file, folder and Go name between
// backquotes in the documents that describe the house. Links are followed in all
// documents, by TestLinksInDocumentsLeadSomewhere.
func TestDocumentsNameOnlyWhatExists(t *testing.T) {
	require.NotEmpty(t, roomsOnTheMap(t))
	for _, room := range roomsOnTheMap(t) {
		require.DirExists(t, room, "ARCHITECTURE.md has it on its map")
	}
	for _, document := range []string{"ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "migration/README.md", "docs/library.md", "docs/ci.md", "docs/fleet.md"} {
		prose := prose(t, document)
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(prose, -1) {
			if path, ok := asPath(m[1]); ok {
				require.True(t, exists(path) || exists(filepath.Join(filepath.Dir(document), path)), "%s names `%s`, which isn't there", document, m[1])
			}
			if pkg, name, ok := asGoName(t, m[1]); ok {
				require.Contains(t, declared(t, pkg), name, "%s names `%s`, which isn't there", document, m[1])
			}
		}
	}
}

// asPath says whether a quoted word means a file or folder of this repository:
// it has a slash inside or the ending of a source file, and is one bare word.
func asPath(word string) (string, bool) {
	bare := regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_./-]*$`).MatchString(word)
	top, _, slash := strings.Cut(word, "/")
	ending := slices.Contains([]string{".go", ".md", ".s"}, filepath.Ext(word))
	return strings.TrimSuffix(word, "/..."), bare && (ending || slash && exists(top))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// roomsOnTheMap are the folders that stand first in the lines of the map, from
// top to bottom.
func roomsOnTheMap(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "```\n")
	block, _, closed := strings.Cut(after, "```\n")
	require.True(t, found && closed, "ARCHITECTURE.md begins with a map between ``` and ```")
	var rooms []string
	for line := range strings.Lines(block) {
		if fields := strings.Fields(line); len(fields) > 0 {
			rooms = append(rooms, fields[0])
		}
	}
	return rooms
}

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/internal/near"
)

const fleetUsage = `usage: drover fleet ensure [ARCH ...]
       drover fleet fetch [-arch ARCH,...] [SUITE|VERSION ...]
       drover fleet list [-json]
       drover fleet remove SUITE|VERSION ...

Keeps private copies of QEMU in your cache folder (DROVER_CACHE moves it). They
come from the distribution's packages, which are unpacked there and not
installed; neither root nor a change of the system is needed.

  ensure   fetch this system's own QEMU for the architectures that have none here
  fetch    fetch Debian's QEMUs: several versions side by side
  list     list every QEMU that is known here
  remove   delete copies

Run "drover fleet COMMAND -h" for more.
`

func fleetCommand(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, fleetUsage)
		return exitCannotRun
	}
	switch args[0] {
	case "ensure":
		return fleetEnsure(ctx, args[1:], stdout, stderr)
	case "fetch":
		return fleetFetch(ctx, args[1:], stdout, stderr)
	case "list":
		return fleetList(args[1:], stdout, stderr)
	case "remove":
		return fleetRemove(ctx, args[1:], stdout, stderr)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, fleetUsage)
		return exitOK
	}
	fmt.Fprintf(stderr, "drover fleet: there is no command %q", args[0])
	if offers := near.Names(args[0], []string{"ensure", "fetch", "list", "remove"}); len(offers) > 0 {
		fmt.Fprintf(stderr, "; did you mean %s?", strings.Join(offers, " or "))
	}
	fmt.Fprintln(stderr, "\nRun \"drover fleet help\" for those there are.")
	return exitCannotRun
}

// fleetFlags parses a fleet command's arguments. Help goes to standard
// output, what is wrong to standard error.
func fleetFlags(set *flag.FlagSet, args []string, stdout, stderr io.Writer) (words []string, exit int, ok bool) {
	if wantsHelp(args) {
		set.SetOutput(stdout)
	}
	words, err := parseMixed(set, args)
	if err != nil {
		return nil, usageExit(err, stderr), false
	}
	return words, exitOK, true
}

func fleetEnsure(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set := newFlagSet("fleet ensure", `usage: drover fleet ensure [ARCH ...]

Prints for each architecture (x86_64 if none is given) the path of the QEMU
that drover would run: what DROVER_QEMU names, else the one in PATH, else a
private copy of this system's own, fetched if it isn't there yet.
`, stderr)
	arches, exit, ok := fleetFlags(set, args, stdout, stderr)
	if !ok {
		return exit
	}
	show := newFetchDisplay(stderr)
	binaries, err := fleet.Fleet{Progress: show.progress}.Ensure(ctx, arches...)
	show.end()
	if err != nil {
		return complain(stderr, err)
	}
	for _, b := range binaries {
		fmt.Fprintln(stdout, b.Path)
	}
	return exitOK
}

func fleetFetch(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var releases strings.Builder
	for _, r := range fleet.Releases() {
		fmt.Fprintf(&releases, "  %-17s %-5s %s\n", r.Suite, r.QEMU, r.Use)
	}
	set := newFlagSet("fleet fetch", `usage: drover fleet fetch [-arch ARCH,...] [SUITE|VERSION ...]

Fetches QEMUs of these releases of Debian, all of them if none is given:

`+releases.String()+`  distribution            this system's own

Each takes 40 to 50 MB of download, and 130 MB of disk. What is there already
stays; what was interrupted goes on. Prints the paths: DROVER_QEMU can name one.

flags:
`, stderr)
	arch := set.String("arch", "x86_64,i386", "the `architectures` to fetch, with commas between them")
	names, exit, ok := fleetFlags(set, args, stdout, stderr)
	if !ok {
		return exit
	}
	show := newFetchDisplay(stderr)
	defer show.end()
	f := fleet.Fleet{Progress: show.progress}
	wanted := fleet.Releases()
	if len(names) > 0 {
		wanted = nil
		for _, name := range names {
			r, err := f.Release(name)
			if err != nil {
				return complain(stderr, err)
			}
			wanted = append(wanted, r)
		}
	}
	exit = exitOK
	for _, r := range wanted {
		binaries, err := f.Fetch(ctx, r, strings.FieldsFunc(*arch, func(c rune) bool { return c == ',' || c == ' ' })...)
		show.wipe()
		if err != nil {
			exit = complain(stderr, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		for _, b := range binaries {
			fmt.Fprintln(stdout, b.Path)
		}
	}
	return exit
}

func fleetList(args []string, stdout, stderr io.Writer) int {
	set := newFlagSet("fleet list", `usage: drover fleet list [-json]

Lists every QEMU that is known here: those that the environment names, those in
PATH, and the private copies. A copy that is damaged, or that another user can
change, is not used, and is named on standard error.

flags:
`, stderr)
	asJSON := set.Bool("json", false, "write one JSON object a line")
	words, exit, ok := fleetFlags(set, args, stdout, stderr)
	if !ok {
		return exit
	}
	if len(words) > 0 {
		return complain(stderr, usageError("fleet list takes no names; it lists all"))
	}
	var f fleet.Fleet
	all := f.All()
	for _, problem := range f.Problems() {
		fmt.Fprintf(stderr, "drover: %v\n", problem)
	}
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		for _, b := range all {
			_ = encoder.Encode(b)
		}
		return exitOK
	}
	if len(all) == 0 {
		_, err := f.Find("x86_64", fleet.Either)
		fmt.Fprintln(stderr, "drover: no QEMU is known here")
		if err != nil {
			fmt.Fprintf(stderr, "drover: %v\n", err)
		}
		return exitOK
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, b := range all {
		origin := b.Origin
		if b.Suite != "" {
			origin = b.Suite
			if r, err := f.Release(b.Suite); err == nil && r.QEMU != "" {
				origin += " (" + r.QEMU + ")"
			}
		}
		arch := b.Arch
		if arch == "" {
			arch = "?"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", arch, origin, b.Path)
	}
	_ = w.Flush()
	return exitOK
}

func fleetRemove(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set := newFlagSet("fleet remove", `usage: drover fleet remove SUITE|VERSION ...

Deletes the private copies of these releases.
`, stderr)
	names, exit, ok := fleetFlags(set, args, stdout, stderr)
	if !ok {
		return exit
	}
	if len(names) == 0 {
		set.Usage()
		return exitCannotRun
	}
	for _, name := range names {
		if err := (fleet.Fleet{}).Remove(ctx, name); err != nil {
			exit = complain(stderr, err)
		}
	}
	return exit
}

// A fetchDisplay shows how fetching goes: on a terminal in a line that is
// drawn anew, elsewhere a line when something else begins, and now and then
// one more while it lasts.
type fetchDisplay struct {
	out  io.Writer
	live bool

	mu    sync.Mutex
	step  string
	drawn time.Time
}

// plainEvery is how often a step that lasts is shown where lines can't be
// drawn anew.
const plainEvery = 5 * time.Second

func newFetchDisplay(out io.Writer) *fetchDisplay {
	file, ok := out.(*os.File)
	return &fetchDisplay{out: out, live: ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"}
}

func (d *fetchDisplay) progress(p fleet.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, step := time.Now(), p.Step+" "+p.Package+" "+p.Release
	switch {
	case d.live && p.Step == "done":
		fmt.Fprintf(d.out, "\r\x1b[K%s\n", p)
	case d.live && (step != d.step || now.Sub(d.drawn) > liveEvery):
		fmt.Fprintf(d.out, "\r\x1b[K%s", cut(p.String(), d.out))
	case !d.live && (step != d.step || now.Sub(d.drawn) > plainEvery):
		fmt.Fprintln(d.out, p)
	default:
		return
	}
	d.step, d.drawn = step, now
}

// wipe takes an unfinished line off the terminal.
func (d *fetchDisplay) wipe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live {
		fmt.Fprint(d.out, "\r\x1b[K")
	}
}

func (d *fetchDisplay) end() { d.wipe() }

// cut shortens a line to the width of the terminal.
func cut(line string, out io.Writer) string {
	if file, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 1 && len(line) >= width {
			return line[:width-1]
		}
	}
	return line
}

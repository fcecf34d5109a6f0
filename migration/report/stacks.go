package report

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A thread is one of a QEMU's, as a debugger saw it.
type thread struct {
	side   string
	name   string
	line   int // in the diagnosis, from 1 on
	waits  string
	frames []string // of QEMU's own functions, innermost first; those without a name left out
	bare   bool     // it has frames outside the system's libraries, and none has a name
}

var (
	threadLine = regexp.MustCompile(`^\s*Thread \d+ \((?:.*?LWP \d+)\)?\s*(?:"([^"]*)")?`)
	frameLine  = regexp.MustCompile(`^\s*#\d+\s+(?:0x[0-9a-f]+ in )?(\S+) \(.*\)(?: from (\S+)| at (\S+))?`)
	zeroFrame  = regexp.MustCompile(`^\s*#\d+\s+0x0+[0-9a-f]{0,8} in \?\?`)
	systemLib  = regexp.MustCompile(`lib(?:c|pthread|glib-2\.0|m)[.-][^/]*so|ld-linux|/vdso`)
	systemFunc = regexp.MustCompile(`^(?:_*(?:GI_)*_*(?:futex|pthread|sem_|lll_|libc|poll|ppoll|select|nanosleep|clock_nanosleep|read|write|recv|send|accept|connect|syscall|ioctl|epoll|clone|start_thread)|g_main|g_poll|g_cond|g_mutex|qemu_(?:mutex|cond|sem|futex|event)|qemu_thread_start)`)
)

// threads reads the stacks of a diagnosis.
func (l *logs) threads() (all []thread) {
	n := 0
	for line := range strings.Lines(l.diagnosis) {
		n++
		if m := threadLine.FindStringSubmatch(line); m != nil {
			all = append(all, thread{side: l.name, name: m[1], line: n})
			continue
		}
		m := frameLine.FindStringSubmatch(line)
		if m == nil || len(all) == 0 {
			continue
		}
		t := &all[len(all)-1]
		name, library := m[1], m[2]
		switch system := systemLib.MatchString(library) || systemFunc.MatchString(name); {
		case system && name != "??" && len(t.frames) == 0 && !t.bare:
			t.waits = name
		case system:
		case name == "??":
			t.bare = t.bare || !zeroFrame.MatchString(line)
		default:
			t.frames = append(t.frames, name)
		}
	}
	return all
}

// what migration threads are called, and what they do.
var (
	ofMigration = regexp.MustCompile(`^(?:mig/|live_migration|migration|postcopy|multifd|return path|rp_state|fault-|listen)`)
	inMigration = regexp.MustCompile(`migrat|postcopy|loadvm|savevm|multifd|qemu_file|qemu_get_|qemu_put_|qio_channel|qemu_savevm|ram_load|ram_save`)
	idle        = regexp.MustCompile(`^(?:call_rcu_thread|main_loop_wait|os_host_main_loop_wait|iothread_run|worker_thread|rr_cpu_thread_fn|mttcg_cpu_thread_fn|rr_wait_io_event|qemu_wait_io_event|qemu_process_cpu_events)`)
)

// weight says how much a thread tells of a migration that hangs; 0 for nothing.
func (t thread) weight() (w int) {
	if ofMigration.MatchString(t.name) {
		w += 2
	}
	for _, f := range t.frames {
		if inMigration.MatchString(f) {
			return w + 3
		}
	}
	if w == 0 && len(t.frames) > 0 && !slices.ContainsFunc(t.frames, idle.MatchString) {
		w = 1
	}
	return w
}

// mostThreads is how many threads stand in the evidence.
const mostThreads = 3

// waiting are the threads that tell most of a migration that hangs.
func (f *Folder) waiting() (found []thread) {
	for _, l := range f.sides() {
		for _, t := range l.threads() {
			if t.weight() > 0 {
				found = append(found, t)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b thread) int { return cmp.Compare(b.weight(), a.weight()) })
	return found[:min(len(found), mostThreads)]
}

// where is what the thread is in: QEMU's own function, and who called it.
func (t thread) where() string {
	if len(t.frames) == 0 {
		if t.bare {
			return "QEMU code without symbols"
		}
		return "no function of QEMU's"
	}
	text := t.frames[0]
	if callers := t.frames[1:min(len(t.frames), 3)]; len(callers) > 0 {
		text += ", called from " + strings.Join(callers, ", ")
	}
	return text
}

// String is one sentence: which thread waits in which function.
func (t thread) String() string {
	verb := "is in"
	if t.waits != "" {
		verb = fmt.Sprintf("waits (%s) in", t.waits)
	}
	return fmt.Sprintf("%s: thread %q %s %s", t.side, t.name, verb, t.where())
}

// missing is what threads wait for in functions of QEMU's that wait, by the names that those
// have had.
var missing = []struct{ function, what string }{
	{"migration_rp_wait", "the destination's message on the return path"},
	{"await_return_path_close_on_source", "the end of the destination's return path"},
	{"close_return_path_on_source", "the end of the destination's return path"},
	{"migration_maybe_pause", "the command migrate-continue"},
	{"postcopy_pause_fault_thread", "a connection to the source: the migration is to be recovered"},
	{"postcopy_pause_incoming", "a connection to the source: the migration is to be recovered"},
	{"postcopy_pause_return_path_thread", "a connection to the destination: the migration is to be recovered"},
	{"postcopy_pause", "a connection to the destination: the migration is to be recovered"},
	{"postcopy_do_resume", "the destination's agreement to resume"},
	{"multifd_send_sync_main", "a channel that has sent all it was given"},
	{"multifd_recv_sync_main", "a channel that has received all before the sync"},
	{"multifd_send_pages", "a channel that is free"},
	{"multifd_send_thread", "pages to send"},
	{"postcopy_ram_incoming_cleanup", "the fault thread's end"},
	{"migration_rate_limit", "the next stretch of time in which max-bandwidth lets it send"},
	{"qemu_fill_buffer", "bytes from the other side"},
	{"qio_channel_write", "room to write: the other side doesn't read"},
}

// missingOf is what the first of the threads waits for, as far as its functions tell.
func missingOf(stuck []thread) string {
	for _, t := range stuck {
		for _, f := range t.frames {
			for _, m := range missing {
				if strings.HasPrefix(f, m.function) {
					return m.what
				}
			}
		}
	}
	return ""
}

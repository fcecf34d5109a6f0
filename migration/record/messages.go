package record

import (
	"fmt"
	"regexp"
	"strings"
)

// judgeMessages demands that no QEMU has reported an error since the migration began.
// One whose connection was lost on the way may.
func judgeMessages(r *Record) (Outcome, string) {
	if r.Source == nil || r.Source.Began.IsZero() {
		return unknown("when the migration was asked for")
	}
	var unread []string
	for _, side := range r.sides() {
		stderr, whole := strings.CutPrefix(side.Stderr, side.SaidBefore)
		if !whole || side.StderrLost > 0 || len(side.Stderr) >= stderrKept {
			unread = append(unread, "the beginning of the "+side.name+"'s stderr was not kept")
		}
		if len(side.Stderr) > 16*stderrKept { // no run's is as long
			continue
		}
		for line := range strings.Lines(stderr) {
			switch line = timestamp.ReplaceAllString(strings.TrimSpace(line), ""); {
			case line == "" || harmless.MatchString(line) || r.mayReport(line):
			case errorLine.MatchString(line):
				if whole { // else it may be of before
					return fail("the %s reported: %q", side.name, line)
				}
			default:
				unread = append(unread, "the "+side.name+" wrote what is neither a warning nor an error: "+fmt.Sprintf("%.200q", line))
			}
		}
	}
	if len(unread) > 0 {
		return Unknown, unread[0]
	}
	return pass("no QEMU reported an error")
}

// stderrKept is how many bytes of it a run keeps: where there are as many, there were more.
const stderrKept = 16 << 10

// An error is what error_report writes (QEMU's util/error-report.c): the time, where that
// is asked for, the guest's name, where that is, the program's name, and what is wrong.
var (
	timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)? +`)
	errorLine = regexp.MustCompile(`^(\S+ )?\S*(qemu|QEMU)\S*: |^\S+: `)
	// harmless are warnings and notes, with a program's name in front or without, and what
	// qemu-io replies.
	harmless = regexp.MustCompile(`^(\S+ )?(\S+: )?(warning|info): ` +
		`|^(wrote|read|discard) \d+/\d+ bytes at offset \d+$` +
		`|^[\d.]+ (bytes|[KMGTP]iB), \d+ ops; [\d.:]+( sec)? \(.*\)$`)
)

// mayReport says whether an error is known, and tells of nothing that is wrong: when
// all has come, a source of 10.0 may close the connection for requested pages (preempt
// channel) without a farewell while the destination still reads it.
func (r *Record) mayReport(line string) bool {
	return r.isPostcopy() && strings.HasSuffix(line, "The TLS connection was non-properly terminated.")
}

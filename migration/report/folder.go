package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/migration/record"
)

// What is read of a run's folder at the most. Larger files are read from their beginning.
const (
	mostOfFile = 8 << 20
	mostFiles  = 200
)

// A Folder is what a run left, read once: its record, and what lies beside it. Files that
// are missing are empty. Only regular files are read, and no links are followed.
type Folder struct {
	Record   *record.Record
	Scenario string // the text of run.scenario
	Files    []File // in order of name
	source   *logs
	dest     *logs
	good     *Good // the last good run; nil where none was kept
}

// A File is one of a folder's.
type File struct {
	Name string
	Size int64
}

// logs are what one side left.
type logs struct {
	name      string // source or destination
	qmp       []message
	began     time.Time // when the QMP session began; zero where that is not known
	cut       bool      // qmp has only the beginning
	stderr    string
	swtpm     string // what the program behind the guest's TPM wrote
	diagnosis string
	beats     []time.Time // when the console spoke
}

// readBeside reads what lies beside a record.
func readBeside(dir string, r *record.Record) *Folder {
	f := &Folder{Record: r}
	entries, _ := os.ReadDir(dir) // one that can't be read has nothing beside the record
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || isReport(e.Name()) || len(f.Files) == mostFiles {
			continue
		}
		f.Files = append(f.Files, File{e.Name(), info.Size()})
	}
	f.Scenario = text(dir, "run.scenario")
	f.good = readGood(text(dir, GoodFile))
	f.source, f.dest = readLogs(dir, "source", r.Source), readLogs(dir, "destination", r.Destination)
	f.align()
	return f
}

func isReport(name string) bool {
	return name == TextFile || name == HTMLFile || strings.HasPrefix(name, ".report")
}

// has says whether the folder holds the file.
func (f *Folder) has(name string) bool {
	return slices.ContainsFunc(f.Files, func(file File) bool { return file.Name == name })
}

// sides are the logs of both, in order.
func (f *Folder) sides() []*logs { return []*logs{f.source, f.dest} }

func text(dir, name string) string {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	read, _ := io.ReadAll(io.LimitReader(file, mostOfFile))
	return string(read)
}

func readLogs(dir, side string, facts *record.SideFacts) *logs {
	l := &logs{name: side, stderr: text(dir, side+".stderr"), swtpm: text(dir, side+".swtpm"), diagnosis: text(dir, side+".diagnosis")}
	if facts != nil {
		l.stderr = cmp.Or(l.stderr, facts.Stderr)
	}
	transcript := text(dir, side+".qmp")
	l.cut = len(transcript) == mostOfFile
	l.qmp = messages(transcript)
	for _, m := range l.qmp {
		if at, ok := m.stamp(); ok {
			l.began = at.Add(-m.at)
			break
		}
	}
	l.beats = beats(text(dir, side+".console.cast"), l.began)
	return l
}

// align moves the heartbeats to where the record, which has their time by our clock, has one
// of each side's.
func (f *Folder) align() {
	s := f.Record.Standstill
	if s == nil {
		return
	}
	move := func(beats []time.Time, one int, to time.Time) {
		if one < 0 || one >= len(beats) || to.IsZero() {
			return
		}
		by := to.Sub(beats[one])
		for i := range beats {
			beats[i] = beats[i].Add(by)
		}
	}
	move(f.source.beats, len(f.source.beats)-1, s.LastOnSource)
	move(f.dest.beats, 0, s.FirstOnDestination)
}

// beats are the times at which a console's recording (asciicast, version 2) has output. Its
// head has whole seconds, and the QEMU was started just before its monitor's session began.
func beats(cast string, session time.Time) (at []time.Time) {
	head, rest, _ := strings.Cut(cast, "\n")
	var header struct{ Timestamp int64 }
	if json.Unmarshal([]byte(head), &header) != nil || header.Timestamp <= 0 {
		return nil
	}
	began := time.Unix(header.Timestamp, 0)
	if late := session.Sub(began); late > 0 && late < 2*time.Second {
		began = began.Add(min(late, time.Second))
	}
	scan := bufio.NewScanner(strings.NewReader(rest))
	scan.Buffer(nil, mostOfFile)
	for scan.Scan() {
		var event []json.RawMessage
		var seconds float64
		if json.Unmarshal(scan.Bytes(), &event) != nil || len(event) != 3 || json.Unmarshal(event[0], &seconds) != nil || string(event[1]) != `"o"` {
			continue
		}
		at = append(at, began.Add(time.Duration(seconds*float64(time.Second))))
	}
	return at
}

// A message is one line of a QMP transcript.
type message struct {
	line int // from 1 on
	at   time.Duration
	sent bool
	text string
	cut  bool // it has only the message's beginning
}

// messages reads a transcript: seconds, direction, message. Lines that are none are left out.
func messages(transcript string) (all []message) {
	n := 0
	for line := range strings.Lines(transcript) {
		n++
		seconds, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		direction, body, _ := strings.Cut(rest, " ")
		at, err := strconv.ParseFloat(seconds, 64)
		if err != nil || direction == "" || !strings.Contains("<>", direction[:1]) || !(at >= 0 && at < 1e9) {
			continue
		}
		m := message{line: n, at: time.Duration(at * float64(time.Second)), sent: direction[0] == '>', text: body, cut: strings.Contains(direction, "+")}
		if strings.Contains(direction, "q") {
			if unquoted, err := strconv.Unquote(body); err == nil {
				m.text = unquoted
			}
		}
		all = append(all, m)
	}
	return all
}

// stamp is the time that an event has.
func (m message) stamp() (time.Time, bool) {
	if m.sent || !strings.Contains(m.text, `"event"`) {
		return time.Time{}, false
	}
	var event struct {
		Timestamp struct{ Seconds, Microseconds int64 }
		Event     string
	}
	if json.Unmarshal([]byte(m.text), &event) != nil || event.Event == "" || event.Timestamp.Seconds <= 0 {
		return time.Time{}, false
	}
	return time.Unix(event.Timestamp.Seconds, event.Timestamp.Microseconds*1000), true
}

// command is the name of the command that a message is, "" where it is none.
func (m message) command() (name string, arguments json.RawMessage) {
	if !m.sent {
		return "", nil
	}
	var c struct {
		Execute   string          `json:"execute"`
		OutOfBand string          `json:"exec-oob"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if json.Unmarshal([]byte(m.text), &c) != nil {
		return "", nil
	}
	return cmp.Or(c.Execute, c.OutOfBand), c.Arguments
}

// A reply is what a command got.
type reply struct {
	message

	value json.RawMessage
}

// replies are those to a command, in order.
func (l *logs) replies(command string) (all []reply) {
	waits := map[string]bool{}
	for _, m := range l.qmp {
		if name, _ := m.command(); name == command {
			waits[idOf(m.text)] = true
			continue
		}
		if m.sent || len(waits) == 0 || m.cut || !strings.Contains(m.text, `"return"`) {
			continue
		}
		var r struct {
			Return json.RawMessage `json:"return"`
		}
		if id := idOf(m.text); waits[id] && json.Unmarshal([]byte(m.text), &r) == nil && r.Return != nil {
			delete(waits, id)
			all = append(all, reply{m, r.Return})
		}
	}
	return all
}

func idOf(text string) string {
	var head struct {
		ID json.RawMessage `json:"id"`
	}
	_ = json.Unmarshal([]byte(text), &head)
	return string(head.ID)
}

// when is the time of a message.
func (l *logs) when(m message) (time.Time, bool) {
	return l.began.Add(m.at), !l.began.IsZero()
}

// place names a line of a file, as editors take it.
func place(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

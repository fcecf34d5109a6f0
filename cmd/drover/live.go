package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
)

// underWay is a scenario that runs.
type underWay struct {
	name, step string
	since      time.Time
	// The last two samples of its migration, for the rate; the zero value before one.
	last, before record.Sample
}

// sample takes what the source reports of its migration.
func (u *underWay) sample(s record.Sample) {
	const apart = 200 * time.Millisecond // else the rate jumps about
	if u.before.Time.IsZero() || s.Bytes < u.before.Bytes || u.last.Time.Sub(u.before.Time) >= apart {
		u.before = u.last
	}
	u.last = s
}

// rate is how many bytes a second were sent lately; 0 where that is not known.
func (u *underWay) rate() float64 {
	took := u.last.Time.Sub(u.before.Time)
	if u.before.Time.IsZero() || took <= 0 || u.last.Bytes < u.before.Bytes {
		return 0
	}
	return float64(u.last.Bytes-u.before.Bytes) / took.Seconds()
}

// migration is how far its migration is, in pieces, what matters most first; nil before it
// has begun.
func (u *underWay) migration() []string {
	s := u.last
	if s.Time.IsZero() {
		return nil
	}
	pieces := []string{s.Status, sized(float64(s.Bytes)) + " sent"}
	if rate := u.rate(); rate > 0 {
		pieces = append(pieces, sized(rate)+"/s")
	}
	pieces = append(pieces, sized(float64(s.Remaining))+" left", fmt.Sprintf("pass %d", s.Passes))
	if s.Throttle > 0 {
		pieces = append(pieces, fmt.Sprintf("throttle %d %%", s.Throttle))
	}
	if s.DowntimeMS > 0 {
		pieces = append(pieces, fmt.Sprintf("downtime %.0f ms", s.DowntimeMS))
	}
	return pieces
}

func sized(bytes float64) string {
	switch {
	case bytes >= 1e9:
		return fmt.Sprintf("%.1f GB", bytes/1e9)
	case bytes >= 1e6:
		return fmt.Sprintf("%.0f MB", bytes/1e6)
	}
	return fmt.Sprintf("%.0f kB", bytes/1e3)
}

// String is how far the whole is: "12/154, 4m10s left".
func (o outlook) String() string {
	if o.total == 0 {
		return ""
	}
	text := fmt.Sprintf("%d/%d", min(o.done+1, o.total), o.total)
	if o.left != nil {
		if left, ok := o.left(); ok {
			text += ", " + left.Round(time.Second).String() + " left"
		}
	}
	return text
}

// liveLines are what is drawn while scenarios run, fit for so many columns: how far the whole
// is and what is under way, and below it how far the migration of that is.
func liveLines(o outlook, running []*underWay, now time.Time, columns int) []string {
	if len(running) == 0 {
		return nil
	}
	u := running[0]
	head := "..."
	if text := o.String(); text != "" {
		head = text
	}
	if columns < narrow { // the name's end tells more than its beginning
		head, _, _ = strings.Cut(head, ",")
		room := max(1, columns-len(head)-2)
		name := []rune(plain.Text(u.name))
		lines := []string{head + " " + string(name[max(0, len(name)-room):])}
		return append(lines, below(u, columns)...)
	}
	first := fmt.Sprintf("%-7s  %s %.1f s: %s", head, u.name, now.Sub(u.since).Seconds(), u.step)
	if others := len(running) - 1; others > 0 {
		first += fmt.Sprintf(" (and %d more)", others)
	}
	return append([]string{cut(plain.Text(first), columns)}, below(u, columns)...)
}

// narrow is a terminal that has no room for a margin and all of a name.
const narrow = 40

// below is the line of a migration; none before it has begun.
func below(u *underWay, columns int) []string {
	pieces := u.migration()
	if pieces == nil {
		return nil
	}
	margin := strings.Repeat(" ", len("fail     "))
	if columns < narrow {
		margin = ""
	}
	return []string{margin + joinedWithin(pieces, columns-len(margin))}
}

// joinedWithin is as many of the pieces as fit.
func joinedWithin(pieces []string, columns int) string {
	text := ""
	for i, piece := range pieces {
		piece = plain.Text(piece)
		if i > 0 {
			piece = ", " + piece
		}
		if len(text)+len(piece) >= columns && i > 0 {
			return text
		}
		text += piece
	}
	return cut(text, columns)
}

// cut shortens a line so that it leaves the last column free.
func cut(line string, columns int) string {
	if runes := []rune(line); columns > 1 && len(runes) >= columns {
		return string(runes[:columns-1])
	}
	return line
}

// columnsOf is the width of the terminal that w writes to.
func columnsOf(w io.Writer) int {
	const usual = 80
	f, ok := terminal(w)
	if !ok {
		return usual
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 2 {
		return usual
	}
	return width
}

// drawable says whether w is a terminal on which lines can be drawn anew.
func drawable(w io.Writer) bool {
	_, ok := terminal(w)
	return ok && os.Getenv("TERM") != "dumb"
}

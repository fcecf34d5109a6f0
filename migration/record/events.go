package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// next are the statuses that may follow a status (MigrationStatus in QEMU's
// qapi/migration.json), on either side of a migration that ends well.
func next() map[string][]string {
	return map[string][]string{
		"":                       {"setup", "active"},
		"setup":                  {"active", "postcopy-recover", "wait-unplug"},
		"wait-unplug":            {"active"},
		"active":                 {"pre-switchover", "device", "postcopy-device", "postcopy-active", "completed"},
		"pre-switchover":         {"device"},
		"device":                 {"postcopy-device", "postcopy-active", "completed"},
		"postcopy-device":        {"postcopy-active"},
		"postcopy-active":        {"postcopy-paused", "completed"},
		"postcopy-paused":        {"postcopy-recover-setup", "postcopy-recover", "setup"}, // the last where 5.2 listens anew
		"postcopy-recover-setup": {"postcopy-recover", "postcopy-paused"},
		"postcopy-recover":       {"postcopy-active", "postcopy-paused"},
		"completed":              nil,
		// Those of a migration that does not end well.
		"none": nil, "failed": nil, "failing": nil, "cancelling": nil, "cancelled": nil,
		// That of a mode that no scenario has.
		"colo": nil,
	}
}

// unfitEvents is why what the events say can't be relied on; "" where it can.
func (r *Record) unfitEvents() string {
	known := next()
	for _, side := range r.sides() {
		if side.EventsLost > 0 {
			return fmt.Sprintf("%d events of the %s were lost", side.EventsLost, side.name)
		}
		for i, e := range side.Events {
			switch {
			case e.Name == "" || !r.within(e.Time):
				return fmt.Sprintf("event %d of the %s has no name, or no time that is one of the run's", i+1, side.name)
			case e.Name == "MIGRATION":
				data, err := object(e.Data)
				status := ""
				if err == nil {
					status, err = data.text("status")
				}
				if err != nil {
					return fmt.Sprintf("event %d of the %s, MIGRATION, can't be read: %v", i+1, side.name, err)
				}
				if _, there := known[status]; !there || status == "" {
					return fmt.Sprintf("event %d of the %s, MIGRATION, has a status that is not known here: %.40q (known are %v)", i+1, side.name, status, slices.Sorted(maps.Keys(known))[1:])
				}
			case e.Name == "MIGRATION_PASS":
				if _, err := passOf(e); err != nil {
					return fmt.Sprintf("event %d of the %s, MIGRATION_PASS, can't be read: %v", i+1, side.name, err)
				}
			}
		}
	}
	return ""
}

// within says whether a time may be one of the run's: none lasts a day.
func (r *Record) within(t time.Time) bool {
	apart := t.Sub(r.Started)
	return !t.IsZero() && (r.Started.IsZero() || apart > -24*time.Hour && apart < 24*time.Hour)
}

// judgeSequence holds the MIGRATION events of both sides against the order that
// they may have.
func judgeSequence(r *Record) (Outcome, string) {
	if r.Source == nil || r.Destination == nil {
		return unknown("the events of both sides")
	}
	if r.Source.Began.IsZero() {
		return unknown("when the migration was asked for")
	}
	source := statuses(since(r.Source.Began, r.Source.Events))
	destination := statuses(r.Destination.Events)
	if r.listenedElsewhere() {
		destination = slices.CompactFunc(destination, func(a, b string) bool { return a == "setup" && b == "setup" })
	}
	for _, side := range []struct {
		name string
		had  []string
	}{{"source", source}, {"destination", destination}} {
		last := ""
		for _, status := range side.had {
			if !slices.Contains(next()[last], status) {
				return fail("the %s's migration status went from %q to %q; its statuses were %v", side.name, last, status, side.had)
			}
			last = status
		}
		if paused := count(side.had, "postcopy-paused"); paused > r.Recoveries {
			return fail("the %s's migration was paused %d times, and only %d recoveries were begun; its statuses were %v", side.name, paused, r.Recoveries, side.had)
		}
		if paused := count(side.had, "postcopy-paused"); paused < r.Recoveries {
			return unsure("the %s's migration was paused %d times, and %d recoveries were begun; its statuses were %v", side.name, paused, r.Recoveries, side.had)
		}
		if last != "completed" {
			return fail("the %s's last migration status is %q, expected \"completed\"; its statuses were %v", side.name, last, side.had)
		}
	}
	there := r.Destination.Events
	const sentence = "the destination's migration status went to \"completed\" %.1f ms before the guest ran there"
	switch early := ms(first(there, "RESUME").Sub(first(there, "completed"))); {
	case r.staged() || early <= 0:
	case !r.isPostcopy():
		return fail(sentence, early)
	case early > r.allow(completedFirst):
		return r.late(sentence, early)
	}
	return pass("%d statuses on the source and %d on the destination, each after one that it may follow", len(source), len(destination))
}

// listenedElsewhere says whether the destination was told first to listen where it could not, which
// old QEMUs call setup as well.
func (r *Record) listenedElsewhere() bool {
	return slices.ContainsFunc(r.Steps, func(s StepFacts) bool {
		return strings.HasPrefix(s.Name, "destination: expect refusal migrate-incoming")
	})
}

func count(statuses []string, status string) (n int) {
	for _, s := range statuses {
		if s == status {
			n++
		}
	}
	return n
}

// statuses are those that MIGRATION events carry, in order.
func statuses(events []EventFacts) []string {
	var all []string
	for _, e := range named(events, "MIGRATION") {
		all = append(all, statusOf(e))
	}
	return all
}

// statusOf is the one that a MIGRATION event carries, "" for any other.
func statusOf(e EventFacts) string {
	switch {
	case e.Name != "MIGRATION":
		return ""
	case e.read:
		return e.status
	}
	data, err := object(e.Data)
	if err != nil {
		return string(e.Data)
	}
	status, err := data.text("status")
	if err != nil {
		return string(e.Data)
	}
	return status
}

// readOnce returns a side whose events' statuses have been read.
func (s *SideFacts) readOnce() *SideFacts {
	if s == nil {
		return nil
	}
	own := *s
	own.Events = slices.Clone(s.Events)
	for i, e := range own.Events {
		own.Events[i].read, own.Events[i].status = true, statusOf(e)
	}
	return &own
}

// passOf is the number that a MIGRATION_PASS event carries.
func passOf(e EventFacts) (int64, error) {
	data, err := object(e.Data)
	if err != nil {
		return 0, err
	}
	if _, err := data.number("pass"); err != nil {
		return 0, err
	}
	var number int64
	if err := json.Unmarshal(data["pass"], &number); err != nil {
		return 0, fmt.Errorf("its pass is %.40s, expected a whole number", data["pass"])
	}
	return number, nil
}

// passes are the numbers in the MIGRATION_PASS events.
func passes(events []EventFacts) (numbers []int64) {
	for _, e := range named(events, "MIGRATION_PASS") {
		if number, err := passOf(e); err == nil {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func named(events []EventFacts, name string) []EventFacts {
	var found []EventFacts
	for _, e := range events {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

// since leaves out the events before the time given.
func since(began time.Time, events []EventFacts) []EventFacts {
	return slices.DeleteFunc(slices.Clone(events), func(e EventFacts) bool { return e.Time.Before(began) })
}

// first is when the event came first: one of that name, or a migration's status. Zero
// where none came.
func first(events []EventFacts, what string) time.Time {
	for _, e := range events {
		if e.Name == what || statusOf(e) == what {
			return e.Time
		}
	}
	return time.Time{}
}

// span is a stretch of a side's events in ms, as they show it from outside; NaN where
// one of its ends did not come.
func span(events []EventFacts, from, to string) float64 {
	begin, end := first(events, from), first(events, to)
	if begin.IsZero() || end.IsZero() {
		return math.NaN()
	}
	return ms(end.Sub(begin))
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

func clock(t time.Time) string { return t.Format("15:04:05.000000") }

// leavingEvents are the source's since the last migration was asked for.
func (r *Record) leavingEvents() []EventFacts {
	if r.Source == nil {
		return nil
	}
	return since(r.Source.Began, r.Source.Events)
}

package record

import (
	"encoding/json"
	"fmt"
	"slices"
)

// next says which status may follow which (MigrationStatus in QEMU's
// qapi/migration.json), on either side of a migration that ends well.
func next(status string) []string {
	switch status {
	case "":
		return []string{"setup", "active"}
	case "setup":
		return []string{"active", "postcopy-recover"}
	case "active":
		return []string{"pre-switchover", "device", "postcopy-device", "postcopy-active", "completed"}
	case "pre-switchover":
		return []string{"device"}
	case "device":
		return []string{"postcopy-device", "postcopy-active", "completed"}
	case "postcopy-device":
		return []string{"postcopy-active"}
	case "postcopy-active":
		return []string{"postcopy-paused", "completed"}
	case "postcopy-paused":
		return []string{"postcopy-recover-setup", "postcopy-recover", "setup"} // the last where 5.2 listens anew
	case "postcopy-recover-setup":
		return []string{"postcopy-recover", "postcopy-paused"}
	case "postcopy-recover":
		return []string{"postcopy-active", "postcopy-paused"}
	}
	return nil
}

// judgeSequence holds the MIGRATION events of both sides against the order that
// they may have.
func judgeSequence(r *Record) (Outcome, string) {
	if r.Source == nil || r.Destination == nil {
		return unknown("the events of both sides")
	}
	if lost := r.Source.EventsLost + r.Destination.EventsLost; lost > 0 {
		return Unknown, fmt.Sprintf("%d events were lost", lost)
	}
	source := statuses(since(r.Source.Began, r.Source.Events))
	destination := statuses(r.Destination.Events)
	for _, side := range []struct {
		name string
		said []string
	}{{"source", source}, {"destination", destination}} {
		last := ""
		for _, status := range side.said {
			if !slices.Contains(next(last), status) {
				return fail("the %s's migration status went from %q to %q; its statuses were %v", side.name, last, status, side.said)
			}
			last = status
		}
		if paused := count(side.said, "postcopy-paused"); paused > r.Recoveries {
			return fail("the %s's migration was paused %d times, and only %d recoveries were begun; its statuses were %v", side.name, paused, r.Recoveries, side.said)
		}
		if last != "completed" {
			return fail("the %s's last migration status is %q, expected \"completed\"; its statuses were %v", side.name, last, side.said)
		}
	}
	return pass("%d statuses on the source and %d on the destination, each after one that it may follow", len(source), len(destination))
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
	if e.Name != "MIGRATION" {
		return ""
	}
	var data struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(e.Data, &data) != nil {
		return string(e.Data)
	}
	return data.Status
}

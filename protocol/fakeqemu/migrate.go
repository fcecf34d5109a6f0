package fakeqemu

import (
	"maps"
	"slices"
	"time"
)

// migration is what query-migrate tells, and what drives it.
type migration struct {
	status       string // "" before the first one
	reason       string
	passes       int
	capabilities map[string]bool
	parameters   map[string]any
	peer         *QEMU
	failure      string         // why the next one will fail
	orders       chan string    // postcopy, cancel, pause, continue, recover
	finished     map[string]any // totals, once it has
}

func newMigration() migration {
	m := migration{
		capabilities: map[string]bool{},
		parameters: map[string]any{
			"max-bandwidth": 134217728, "downtime-limit": 300, "multifd-channels": 2,
			"max-postcopy-bandwidth": 0, "xbzrle-cache-size": 67108864, "announce-initial": 50,
			"cpu-throttle-initial": 20, "cpu-throttle-increment": 10, "max-cpu-throttle": 99,
			"block-incremental": false, "tls-creds": "", "tls-hostname": "", "mode": "normal",
		},
	}
	for _, name := range []string{
		"xbzrle", "rdma-pin-all", "auto-converge", "events", "postcopy-ram", "x-colo", "release-ram",
		"return-path", "pause-before-switchover", "multifd", "dirty-bitmaps", "postcopy-blocktime",
		"late-block-activate", "x-ignore-shared", "validate-uuid", "background-snapshot", "zero-copy-send",
		"postcopy-preempt", "switchover-ack", "dirty-limit", "mapped-ram",
	} {
		m.capabilities[name] = false
	}
	return m
}

// MigrateTo joins two fakes: what migrates out of q arrives in destination, which
// was made with Config.Incoming. Without it, a migration ends in completed all the same.
func (q *QEMU) MigrateTo(destination *QEMU) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.migration.peer = destination
}

// FailMigration has the next migration end in "failed" for a reason.
func (q *QEMU) FailMigration(reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.migration.failure = reason
}

func (q *QEMU) migrationCommands() {
	h := q.handlers
	h["query-migrate"] = func(Command) (any, error) { return q.queryMigrate(), nil }
	h["query-migrate-capabilities"] = func(Command) (any, error) { return q.queryCapabilities(), nil }
	h["migrate-set-capabilities"] = q.setCapabilities
	h["query-migrate-parameters"] = func(Command) (any, error) {
		q.mu.Lock()
		defer q.mu.Unlock()
		return maps.Clone(q.migration.parameters), nil
	}
	h["migrate-set-parameters"] = q.setParameters
	h["migrate"] = q.migrate
	h["migrate-incoming"] = q.incoming
	for command, order := range map[string]string{
		"migrate_cancel": "cancel", "migrate-start-postcopy": "postcopy", "migrate-continue": "continue",
		"migrate-pause": "pause", "migrate-recover": "recover",
	} {
		h[command] = func(Command) (any, error) { return nil, q.order(order) }
	}
}

func (q *QEMU) queryMigrate() any {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := &q.migration
	info := map[string]any{}
	if m.status == "" {
		return info
	}
	maps.Copy(info, m.finished)
	info["status"] = m.status
	if m.reason != "" {
		info["error-desc"] = m.reason
	}
	if m.status != "setup" && !q.config.Incoming {
		sent := uint64(len(q.memory.pages)) * pageSize
		info["ram"] = map[string]any{
			"transferred": sent, "remaining": 0, "total": q.config.Memory, "duplicate": (q.config.Memory - sent) / pageSize, "normal": sent / pageSize,
			"normal-bytes": sent, "dirty-pages-rate": 0, "mbps": 0.0, "dirty-sync-count": m.passes, "page-size": pageSize,
		}
	}
	return info
}

func (q *QEMU) queryCapabilities() any {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(q.migration.capabilities)) {
		list = append(list, map[string]any{"capability": name, "state": q.migration.capabilities[name]})
	}
	return list
}

func (q *QEMU) setCapabilities(c Command) (any, error) {
	var a struct {
		Capabilities []struct {
			Capability string `json:"capability"`
			State      bool   `json:"state"`
		} `json:"capabilities"`
	}
	if err := decode(c, &a); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range a.Capabilities {
		if _, known := q.migration.capabilities[s.Capability]; !known {
			return nil, &Error{"", "Parameter 'capability' does not accept value '" + s.Capability + "'"}
		}
	}
	for _, s := range a.Capabilities {
		q.migration.capabilities[s.Capability] = s.State
	}
	return nil, nil
}

func (q *QEMU) setParameters(c Command) (any, error) {
	var a map[string]any
	if err := decode(c, &a); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for name := range a {
		if _, known := q.migration.parameters[name]; !known {
			return nil, &Error{"", "Parameter '" + name + "' is unexpected"}
		}
	}
	maps.Copy(q.migration.parameters, a)
	return nil, nil
}

// under reports whether a migration is on its way.
func (m *migration) under() bool { return m.orders != nil }

func (q *QEMU) migrate(c Command) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.config.Incoming && q.run.status == "inmigrate" {
		return nil, &Error{"", "Guest is waiting for an incoming migration"}
	}
	if q.migration.under() {
		return nil, &Error{"", "There's a migration process in progress"}
	}
	q.migration.orders = make(chan string, 8)
	q.migration.status, q.migration.reason = "setup", ""
	q.migration.passes, q.migration.finished = 0, nil
	q.work.Go(q.outgoing)
	return nil, nil
}

func (q *QEMU) order(order string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := &q.migration
	switch {
	case order == "cancel" && !m.under():
		return nil
	case order == "postcopy" && !m.capabilities["postcopy-ram"]:
		return &Error{"", "Enable postcopy with migrate_set_capability before the start of migration"}
	case !m.under():
		return &Error{"", "Start postcopy or any other step only while a migration is on its way"}
	}
	select {
	case m.orders <- order:
	default: // eight orders that nobody took: one more changes nothing
	}
	return nil
}

// setMigration changes the status, and sends the event where the client asked for events.
func (q *QEMU) setMigration(status string) {
	q.mu.Lock()
	q.migration.status = status
	events := q.migration.capabilities["events"]
	q.mu.Unlock()
	if events {
		q.Emit("MIGRATION", map[string]string{"status": status})
	}
}

// outgoing is one migration from setup to its end.
func (q *QEMU) outgoing() {
	start := time.Now()
	status := q.transfer(start)
	if status == "" {
		return // the fake has ended
	}
	q.mu.Lock()
	q.migration.orders = nil
	q.migration.finished = map[string]any{"total-time": time.Since(start).Milliseconds()}
	peer, memory := q.migration.peer, q.memory.copy()
	if status == "completed" {
		q.migration.finished["downtime"] = q.config.StatusTime.Milliseconds()
		q.migration.finished["setup-time"] = q.config.StatusTime.Milliseconds()
	}
	q.mu.Unlock()
	switch {
	case status == "completed":
		if peer != nil {
			peer.arrive(memory)
		}
		q.setStatus("postmigrate")
	case q.Status() == "finish-migrate":
		q.setStatus("running")
	}
	q.setMigration(status)
}

// transfer runs the passes and returns the status at the end, or "" where the fake ended.
func (q *QEMU) transfer(start time.Time) string {
	q.setMigration("setup")
	if !q.sleep(q.config.StatusTime) {
		return ""
	}
	q.mu.Lock()
	failure, orders := q.migration.failure, q.migration.orders
	q.migration.failure, q.migration.reason = "", failure
	pauses, events := q.migration.capabilities["pause-before-switchover"], q.migration.capabilities["events"]
	q.mu.Unlock()
	if failure != "" {
		return "failed"
	}
	q.setMigration("active")
	for pass := 1; pass <= q.config.Passes; pass++ {
		q.mu.Lock()
		q.migration.passes = pass
		q.mu.Unlock()
		if events {
			q.Emit("MIGRATION_PASS", map[string]int{"pass": pass})
		}
		switch order, ok := q.await(orders); {
		case !ok:
			return ""
		case order == "cancel":
			return q.cancel()
		case order == "postcopy":
			q.setStatus("finish-migrate")
			q.setMigration("postcopy-active")
			return q.complete()
		}
	}
	q.setStatus("finish-migrate")
	if pauses {
		q.setMigration("pre-switchover")
		for order := ""; order != "continue"; {
			select {
			case order = <-orders:
			case <-q.done:
				return ""
			}
			if order == "cancel" {
				return q.cancel()
			}
		}
	}
	q.setMigration("device")
	return q.complete()
}

// await waits for one pass to be over, or for an order.
func (q *QEMU) await(orders chan string) (order string, ok bool) {
	t := time.NewTimer(q.config.StatusTime)
	defer t.Stop()
	select {
	case order = <-orders:
		return order, true
	case <-t.C:
		return "", true
	case <-q.done:
		return "", false
	}
}

func (q *QEMU) complete() string {
	if !q.sleep(q.config.StatusTime) {
		return ""
	}
	return "completed"
}

func (q *QEMU) cancel() string {
	q.setMigration("cancelling")
	if !q.sleep(q.config.StatusTime) {
		return ""
	}
	return "cancelled"
}

func (q *QEMU) incoming(Command) (any, error) {
	q.mu.Lock()
	waiting := q.run.status == "inmigrate" && q.migration.status == ""
	q.mu.Unlock()
	if !waiting {
		return nil, &Error{"", "'-incoming' was not specified on the command line"}
	}
	q.setMigration("setup")
	return nil, nil
}

// arrive makes this the guest that was moved.
func (q *QEMU) arrive(m memory) {
	q.mu.Lock()
	m.size = q.config.Memory
	q.memory = m
	q.mu.Unlock()
	q.setMigration("active")
	q.setMigration("completed")
	if q.config.Paused {
		q.setStatus("paused")
	} else {
		q.setStatus("running")
	}
}

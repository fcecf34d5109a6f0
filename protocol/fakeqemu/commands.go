package fakeqemu

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// runState is what query-status tells.
type runState struct{ status string }

func newRunState(c Config) runState {
	switch {
	case c.Incoming:
		return runState{"inmigrate"}
	case c.Paused:
		return runState{"prelaunch"}
	}
	return runState{"running"}
}

// Status returns what query-status would tell, such as "running".
func (q *QEMU) Status() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.run.status
}

// setStatus changes the run state, and sends STOP or RESUME where that starts
// or stops the guest.
func (q *QEMU) setStatus(status string) {
	q.mu.Lock()
	before := q.run.status
	q.run.status = status
	q.mu.Unlock()
	switch {
	case before == "running" && status != "running":
		q.Emit("STOP", nil)
	case before != "running" && status == "running":
		q.Emit("RESUME", nil)
	}
}

// defaults installs the commands that the fake knows.
func (q *QEMU) defaults() {
	h := q.handlers
	h["query-status"] = func(Command) (any, error) {
		s := q.Status()
		return map[string]any{"running": s == "running", "singlestep": false, "status": s}, nil
	}
	h["stop"] = func(Command) (any, error) { q.setStatus("paused"); return nil, nil }
	h["cont"] = func(Command) (any, error) { return nil, q.cont() }
	h["quit"] = func(Command) (any, error) { return nil, nil }
	h["query-version"] = func(Command) (any, error) { return q.version(), nil }
	h["query-name"] = func(Command) (any, error) { return nil, nil }
	h["query-target"] = func(Command) (any, error) { return map[string]string{"arch": "x86_64"}, nil }
	h["query-memory-size-summary"] = func(Command) (any, error) {
		return map[string]uint64{"base-memory": q.memory.size, "plugged-memory": 0}, nil
	}
	h["query-yank"] = func(Command) (any, error) { return []any{}, nil }
	h["query-machines"] = func(Command) (any, error) {
		return []any{map[string]any{"name": "pc-i440fx-10.0", "alias": "pc", "is-default": true, "cpu-max": 255, "hotpluggable-cpus": true}}, nil
	}
	h["query-cpus-fast"] = func(Command) (any, error) {
		if q.config.NoCPU {
			return []any{}, nil
		}
		return []any{map[string]any{"cpu-index": 0, "qom-path": "/machine/unattached/device[0]", "thread-id": os.Getpid(), "target": "x86_64"}}, nil
	}
	h["query-commands"] = func(Command) (any, error) {
		list := []map[string]string{}
		for _, name := range q.known() {
			list = append(list, map[string]string{"name": name})
		}
		return list, nil
	}
	h["query-qmp-schema"] = func(Command) (any, error) { return q.schema(), nil }
	h["qom-list"] = q.qomList
	h["human-monitor-command"] = func(Command) (any, error) { return "", nil }
	h["device_add"] = nothing
	h["object-add"] = nothing
	h["getfd"] = func(Command) (any, error) {
		return nil, &Error{"", "No file descriptor supplied via SCM_RIGHTS"}
	}
	h["add-fd"] = h["getfd"]
	h["pmemsave"] = q.pmemsave
	q.migrationCommands()
}

func nothing(Command) (any, error) { return nil, nil }

func (q *QEMU) known() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append(slices.Sorted(maps.Keys(q.handlers)), "qmp_capabilities")
}

func (q *QEMU) cont() error {
	switch s := q.Status(); s {
	case "inmigrate":
		return nil // remembered for when the guest arrives
	case "running":
		return nil
	case "finish-migrate":
		return &Error{"", "Migration is not finalized yet"}
	default:
		q.setStatus("running")
		return nil
	}
}

func (q *QEMU) pmemsave(c Command) (any, error) {
	var a struct {
		Val      uint64 `json:"val"`
		Size     uint64 `json:"size"`
		Filename string `json:"filename"`
	}
	if err := decode(c, &a); err != nil {
		return nil, err
	}
	if a.Size > q.config.Memory {
		return nil, &Error{"", fmt.Sprintf("%d bytes are more than the guest has", a.Size)}
	}
	p := make([]byte, a.Size)
	q.ReadMemory(a.Val, p)
	if err := os.WriteFile(a.Filename, p, 0o600); err != nil {
		return nil, &Error{"", err.Error()}
	}
	return nil, nil
}

// qomList knows the machine and the devices that qtest can be asked about.
func (q *QEMU) qomList(c Command) (any, error) {
	var a struct {
		Path string `json:"path"`
	}
	if err := decode(c, &a); err != nil {
		return nil, err
	}
	type property struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	list := []property{{"type", "string"}}
	lines, device := q.config.Devices[a.Path]
	switch {
	case device:
		list = append(list, property{"hotpluggable", "bool"}, property{"realized", "bool"})
		for i := range lines {
			list = append(list, property{fmt.Sprintf("unnamed-gpio-in[%d]", i), "child<irq>"})
		}
	case !strings.HasPrefix("/machine", a.Path) || a.Path == "":
		return nil, &Error{"DeviceNotFound", "Device '" + a.Path + "' not found"}
	}
	return list, nil
}

// schema is a small true part of QEMU's: the commands that the fake knows,
// none with arguments that it describes.
func (q *QEMU) schema() any {
	none := map[string]any{"name": "0", "meta-type": "object", "members": []any{}}
	list := []any{none}
	for _, name := range q.known() {
		list = append(list, map[string]any{
			"name": name, "meta-type": "command", "arg-type": "0", "ret-type": "0", "allow-oob": q.allowsOOB(name),
		})
	}
	for _, name := range []string{"STOP", "RESUME", "SHUTDOWN", "MIGRATION", "MIGRATION_PASS"} {
		list = append(list, map[string]any{"name": name, "meta-type": "event", "arg-type": "0"})
	}
	return list
}

func (q *QEMU) allowsOOB(name string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.oob[name]
}

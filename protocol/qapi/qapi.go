// Package qapi is the part of QEMU's command set that drover uses, as Go
// functions and types. Each function is one command, described in QEMU's
// qapi/*.json under the same name; what goes over the wire is package qmp's.
//
// Replies keep what this package has no field for in Raw, so that a later
// QEMU's new members are not lost.
package qapi

import (
	"context"
	"encoding/json"
)

// An Executor executes QMP commands; *qmp.Session is one.
type Executor interface {
	Execute(ctx context.Context, command string, arguments, reply any) error
}

// query executes a command without arguments, and returns both its decoded
// reply and the reply as it came.
func query[T any](ctx context.Context, e Executor, command string) (decoded T, raw json.RawMessage, err error) {
	if err = e.Execute(ctx, command, nil, &raw); err == nil {
		err = json.Unmarshal(raw, &decoded)
	}
	return decoded, raw, err
}

// Stop stops the guest.
func Stop(ctx context.Context, e Executor) error { return e.Execute(ctx, "stop", nil, nil) }

// Cont lets the guest run.
func Cont(ctx context.Context, e Executor) error { return e.Execute(ctx, "cont", nil, nil) }

// Quit ends QEMU. QEMU may be gone before its reply is out.
func Quit(ctx context.Context, e Executor) error { return e.Execute(ctx, "quit", nil, nil) }

// StatusInfo is a VM's run state.
type StatusInfo struct {
	Running bool            `json:"running"`
	Status  string          `json:"status"` // RunState: running, paused, postmigrate ...
	Raw     json.RawMessage `json:"-"`
}

// QueryStatus returns the run state.
func QueryStatus(ctx context.Context, e Executor) (StatusInfo, error) {
	info, raw, err := query[StatusInfo](ctx, e, "query-status")
	info.Raw = raw
	return info, err
}

// PMemSave writes guest-physical memory into a file that QEMU opens.
func PMemSave(ctx context.Context, e Executor, start, size uint64, file string) error {
	return e.Execute(ctx, "pmemsave", map[string]any{"val": start, "size": size, "filename": file}, nil)
}

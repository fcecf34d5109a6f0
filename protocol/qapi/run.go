package qapi

import (
	"context"
	"encoding/json"
)

// A RunState is what a VM is doing (RunState in qapi/run-state.json). It is a
// plain string, so that states of a later QEMU are at home too.
type RunState = string

// The run states. In all but running the guest's vCPUs are paused.
const (
	StateDebug         RunState = "debug"          // stopped by a debugger
	StateInmigrate     RunState = "inmigrate"      // waits for an incoming migration
	StateInternalError RunState = "internal-error" // can't go on
	StateIOError       RunState = "io-error"       // I/O failed, and the device is to stop the VM then
	StatePaused        RunState = "paused"         // by stop
	StatePostmigrate   RunState = "postmigrate"    // the source after a migration
	StatePrelaunch     RunState = "prelaunch"      // started with -S, and never run
	StateFinishMigrate RunState = "finish-migrate" // in the switchover of a migration
	StateRestoreVM     RunState = "restore-vm"     // loads a snapshot
	StateRunning       RunState = "running"
	StateSaveVM        RunState = "save-vm"        // saves a snapshot
	StateShutdown      RunState = "shutdown"       // the guest is off, and -no-shutdown keeps QEMU
	StateSuspended     RunState = "suspended"      // ACPI S3
	StateWatchdog      RunState = "watchdog"       // stopped by the guest's watchdog
	StateGuestPanicked RunState = "guest-panicked" // the guest reported it
	StateColo          RunState = "colo"           // between two checkpoints of COLO
	StatePreconfig     RunState = "preconfig"      // started with -preconfig; 5.2 and older
)

// StatusInfo is a VM's run state.
type StatusInfo struct {
	Running    bool            `json:"running"`
	Status     RunState        `json:"status"`
	SingleStep bool            `json:"singlestep"` // one instruction a TCG block; removed in 9.0
	Raw        json.RawMessage `json:"-"`
}

// QueryStatus returns the run state.
func QueryStatus(ctx context.Context, e Executor) (StatusInfo, error) {
	info, raw, err := query[StatusInfo](ctx, e, "query-status", nil)
	info.Raw = raw
	return info, err
}

// Stop pauses the guest's vCPUs. QEMU emits STOP, where they ran.
func Stop(ctx context.Context, e Executor) error { return do(ctx, e, "stop", nil) }

// Cont lets the guest's vCPUs run. QEMU emits RESUME, where they were paused. While
// it waits for an incoming migration, the guest runs once that has come.
func Cont(ctx context.Context, e Executor) error { return do(ctx, e, "cont", nil) }

// Quit ends QEMU. QEMU may have exited before its reply is out.
func Quit(ctx context.Context, e Executor) error { return do(ctx, e, "quit", nil) }

// SystemReset resets the machine as its reset button does. QEMU emits RESET.
func SystemReset(ctx context.Context, e Executor) error { return do(ctx, e, "system_reset", nil) }

// SystemPowerdown asks the guest to switch itself off as its power button does. QEMU
// emits POWERDOWN; the guest may ignore it.
func SystemPowerdown(ctx context.Context, e Executor) error {
	return do(ctx, e, "system_powerdown", nil)
}

// SystemWakeup wakes a guest that is suspended. QEMU emits WAKEUP; it refuses where the
// guest is not suspended, since 4.0.
func SystemWakeup(ctx context.Context, e Executor) error { return do(ctx, e, "system_wakeup", nil) }

// PMemSave writes guest-physical memory, size bytes from the address start on, into
// a file that QEMU opens, on its own host and with its own rights. Addresses
// without memory behind them read as zero.
func PMemSave(ctx context.Context, e Executor, start, size uint64, file string) error {
	return do(ctx, e, "pmemsave", map[string]any{"val": start, "size": size, "filename": file})
}

// HumanMonitor executes a line of the human monitor's language, and returns what it
// printed, with line ends as it prints them (CRLF). The text is for people, and
// differs between versions; a line that the monitor doesn't understand is no
// error, but a text that says so.
func HumanMonitor(ctx context.Context, e Executor, line string) (string, error) {
	text, _, err := query[string](ctx, e, "human-monitor-command", map[string]string{"command-line": line})
	return text, err
}

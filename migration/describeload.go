package migration

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/protocol/qapi"
)

// runsFor is how long a destination is watched once its guest runs there.
const runsFor = 200 * time.Millisecond

// load starts a destination with the machine, and gives it another QEMU's stream. It returns
// nil where that could not be tried: nothing is known then.
func (o Options) load(ctx context.Context, binary string, stream []byte) *preflight.Loading {
	ctx, cancel := context.WithTimeout(ctx, runningTimeout)
	defer cancel()
	program, err := fixtures.For(o.Arch)
	if err != nil {
		return nil
	}
	private, err := launcher.NewPrivateFolder()
	if err != nil {
		return nil
	}
	defer private.Remove()
	vm, err := launcher.Launch(ctx, launcher.Config{
		Binary: binary, Arch: o.Arch, Name: DestinationName, Machine: o.Machine, Accel: o.Accel, Program: &program,
		Args: append(slices.Clone(o.Args), "-incoming", "defer"),
	})
	if err != nil {
		return nil
	}
	defer func() { _ = vm.Kill() }()
	before := vm.Stderr()
	refused, err := give(ctx, vm, filepath.Join(private.Path(), "stream"), stream)
	if died := deathOf(err, before); died != nil {
		if died.Exited { // as old QEMUs do that refuse
			return &preflight.Loading{Refused: died.Message}
		}
		return &preflight.Loading{Died: died}
	}
	if err != nil || ctx.Err() != nil {
		return nil
	}
	return &preflight.Loading{Refused: refused}
}

// give lets a VM that waits for a migration read a stream, and then run for a moment. Where
// it does not take it, refused is its message.
func give(ctx context.Context, vm *launcher.VM, path string, stream []byte) (refused string, err error) {
	if err := vm.QMP().Execute(ctx, "migrate-incoming", qapi.IncomingArguments{URI: "unix:" + path}, nil); err != nil {
		return "", err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_, _ = conn.Write(stream) // a QEMU that reads no more has ended, or failed
	_ = conn.(*net.UnixConn).CloseWrite()
	var info qapi.MigrationInfo
	err = Poll(ctx, "the end of the migration", func() (bool, error) {
		info, err = qapi.QueryMigrate(ctx, vm.QMP())
		return info.Status == qapi.MigrationCompleted || ended(info.Status), err
	})
	switch {
	case err != nil:
		return "", err
	case info.Status != qapi.MigrationCompleted:
		message := info.ErrorDesc
		if message == "" {
			message = lastLine(vm.Stderr())
		}
		return strings.TrimSpace("its migration status is " + string(info.Status) + " " + message), nil
	}
	select {
	case <-vm.Exited():
		_, err := qapi.QueryStatus(ctx, vm.QMP())
		return "", err
	case <-time.After(runsFor):
		return "", nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

package migration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// How a guest that runs is sent: when it has booted, or after bootTimeout, for its
// firmware runs as well; and as fast as can be, for how it is sent is all that counts.
const (
	describedPages  = 64 // that it writes: few, so that it is sent in a moment
	bootTimeout     = 600 * time.Millisecond
	runningTimeout  = 20 * time.Second
	runningRate     = 1 << 40 // bytes a second
	runningDowntime = 2000    // milliseconds
)

// describeStream takes the stream of the guest, which is paused.
func describeStream(ctx context.Context, vm *launcher.VM, d *preflight.Description) error {
	var stream streamEnd
	before := vm.Stderr()
	refused, err := sendTo(ctx, vm, &stream)
	if died := deathOf(err, before); died != nil && ctx.Err() == nil {
		died.Guest = "paused"
		d.Died = died
		return nil
	}
	if d.Refused = refused; refused != "" || err != nil {
		return err
	}
	d.Sections, err = preflight.ParseStream(stream.kept)
	return err
}

// describeRunning lets the guest run and sends it to nobody, to see whether its QEMU
// lives on. What takes too long is not found out.
func describeRunning(ctx context.Context, vm *launcher.VM, program fixtures.Program, d *preflight.Description) error {
	limited, cancel := context.WithTimeout(ctx, runningTimeout)
	defer cancel()
	before := vm.Stderr()
	var all wholeStream
	refused, err := sendRunning(limited, vm, program, &all)
	died := deathOf(err, before)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return nil
	case died != nil:
		died.Guest = "running"
		d.Died = died
		return nil
	case refused != "":
		d.Refused = "while its guest runs: " + refused
	case err == nil:
		d.Stream = all.bytes()
	}
	return err
}

// sendRunning sends a guest whose migration is over, and which is paused since.
func sendRunning(ctx context.Context, vm *launcher.VM, program fixtures.Program, out io.Writer) (refused string, err error) {
	if err := qapi.Cont(ctx, vm.QMP()); err != nil {
		return "", unlessRefused(err)
	}
	boot, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	_, err = vm.Console().WaitFunc(boot, 0, "the guest program's first heartbeat", func(output []byte) (int, error) {
		return booted(program, output)
	})
	if err != nil && boot.Err() == nil {
		return "", err
	}
	atOnce := map[string]any{string(qapi.ParamMaxBandwidth): runningRate, string(qapi.ParamDowntimeLimit): runningDowntime}
	if err := qapi.SetMigrateParameters(ctx, vm.QMP(), atOnce); err != nil {
		return "", err
	}
	return sendTo(ctx, vm, out)
}

// sendTo migrates a VM into out. Where QEMU refuses, or fails, refused is its message.
func sendTo(ctx context.Context, vm *launcher.VM, out io.Writer) (refused string, err error) {
	private, err := launcher.NewPrivateFolder()
	if err != nil {
		return "", err
	}
	defer private.Remove()
	path := filepath.Join(private.Path(), "stream")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return "", err
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	taking := make(chan error, 1)
	go func() { taking <- take(ctx, listener, out) }()
	go func() { // a QEMU that has ended sends no more, and may not have begun
		select {
		case <-vm.Exited():
		case <-ctx.Done():
		}
		_ = listener.Close()
	}()
	if err := qapi.Migrate(ctx, vm.QMP(), qapi.MigrateArguments{URI: "unix:" + path}); err != nil {
		if refusal, ok := errors.AsType[*qmp.Error](err); ok {
			return refusal.Desc, nil
		}
		return "", err
	}
	var info qapi.MigrationInfo
	err = Poll(ctx, "the end of the migration", func() (bool, error) {
		info, err = qapi.QueryMigrate(ctx, vm.QMP())
		return info.Status == qapi.MigrationCompleted || ended(info.Status), err
	})
	if err != nil {
		return "", err
	}
	if info.Status != qapi.MigrationCompleted {
		return strings.TrimSpace(fmt.Sprintf("its migration status is %s %s", info.Status, info.ErrorDesc)), nil
	}
	return "", <-taking
}

// take reads what a QEMU sends over the first connection, to its end.
func take(ctx context.Context, listener net.Listener, out io.Writer) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_, err = io.Copy(out, conn)
	return err
}

// A streamEnd keeps the last bytes that are written to it: a stream's description, of
// which a QEMU sends less than a megabyte, is at its end.
type streamEnd struct{ kept []byte }

const maxKept = 16 << 20 // bytes

func (e *streamEnd) Write(p []byte) (int, error) {
	if drop := len(e.kept) + len(p) - maxKept; drop > 0 && drop >= maxKept/2 {
		e.kept = append(e.kept[:0], e.kept[min(drop, len(e.kept)):]...)
	}
	e.kept = append(e.kept, p...)
	return len(p), nil
}

// A wholeStream keeps all that is written to it, or, where that is too much, nothing. The
// guest's RAM is zero but for what its firmware and a few pages hold.
type wholeStream struct {
	kept []byte
	over bool
}

const maxWhole = 32 << 20 // bytes

func (w *wholeStream) Write(p []byte) (int, error) {
	if w.over = w.over || len(w.kept)+len(p) > maxWhole; w.over {
		w.kept = nil
		return len(p), nil
	}
	w.kept = append(w.kept, p...)
	return len(p), nil
}

func (w *wholeStream) bytes() []byte { return w.kept }

// deathOf is how a QEMU has ended by itself, nil where an error has another cause; before
// is what it had written to its error output until then.
func deathOf(err error, before string) *preflight.Death {
	exit, ended := errors.AsType[*launcher.ExitError](err)
	if !ended || exit.State == nil || exit.By != nil {
		return nil
	}
	if line := lastLine(strings.TrimPrefix(exit.Stderr, before)); line != "" && !strings.HasPrefix(line, "warning: ") {
		return &preflight.Death{Message: line, Exited: exit.State.Exited()}
	}
	return &preflight.Death{Message: exit.State.String(), Exited: exit.State.Exited()}
}

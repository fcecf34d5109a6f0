package launcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/protocol/qmp"
)

// Quit asks QEMU to quit and waits for its end. The error is an *ExitError
// where it ended with anything but status 0, and that of ctx where it did not
// end in time; Close is still to be called.
func (v *VM) Quit(ctx context.Context) error {
	err := v.qmp.Execute(ctx, "quit", nil, nil)
	// QEMU may have exited before its reply is out: how it ended is what counts.
	if _, closed := errors.AsType[*qmp.ClosedError](err); err != nil && !closed {
		return err
	}
	select {
	case <-v.process.done:
	case <-ctx.Done():
		return fmt.Errorf("launcher: %s did not end after quit: %w", v.config.Name, ended.By(ctx))
	}
	if !v.process.state().Success() {
		exit := v.exitError(nil)
		exit.When = "on quit"
		return exit
	}
	return nil
}

// Close ends QEMU, if it has not ended: it sends quit, after
// Config.QuitTimeout SIGTERM, and after Config.TermTimeout SIGKILL, which
// also goes to what QEMU started. When it returns there is no process, file,
// socket or goroutine left of the VM, nor of one that it has executed in its place
// (Succeed). Only the first call does anything; the
// others return what that one did.
//
// The error is an *ExitError where QEMU had crashed, or had to be forced to
// end. It is nil where QEMU ended with status 0, and where it was killed by Kill
// or with the context of Launch.
func (v *VM) Close() error { return v.close() }

// Kill ends QEMU at once with SIGKILL, and then does as Close.
func (v *VM) Kill() error {
	v.process.endBecause(errKilled)
	v.process.kill()
	return v.close()
}

func (v *VM) end() (err error) {
	err = v.successor.end()
	if v.process != nil {
		v.stopWatch()
		if !v.successor.took() {
			err = v.endProcess()
		}
		v.stopKill()
	}
	if v.qmp != nil {
		_ = v.qmp.Close()
	}
	if v.qtest != nil {
		_ = v.qtest.Close()
	}
	v.endBackends()
	v.work.Wait()
	v.argv.closeInherited()
	for _, f := range v.closers {
		f()
	}
	if v.config.Attach != "" && v.process != nil {
		_ = os.Remove(v.config.Attach) // a QEMU that is killed leaves it
	}
	return err
}

// endProcess escalates until QEMU has ended, and says whether it went well.
func (v *VM) endProcess() error {
	if v.qmp != nil && v.qmp.Err() == nil {
		ctx, cancel := context.WithTimeout(context.Background(), v.config.QuitTimeout)
		_ = v.Quit(ctx)
		cancel()
	}
	if !v.process.exited(0) {
		v.process.endBecause(&forcedError{v.config.QuitTimeout})
		v.process.terminate()
		if !v.process.exited(v.config.TermTimeout) {
			v.process.kill()
		}
	}
	exit := v.exitError(nil)
	forced := errors.As(exit.By, new(*forcedError)) || errors.As(exit.By, new(*HangError))
	if forced || exit.By == nil && !exit.State.Success() {
		return exit
	}
	return nil
}

// A forcedError is why Close ended a QEMU by force.
type forcedError struct{ timeout time.Duration }

func (e *forcedError) Error() string {
	return fmt.Sprintf("it was forced to end, for it had not done so %v after quit", e.timeout)
}

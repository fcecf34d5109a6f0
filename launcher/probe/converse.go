package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// converse starts a QEMU without a machine and asks its monitor, on an
// inherited descriptor, or on its standard input and output where it can't
// take one.
func converse(ctx context.Context, path string) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, timeoutAfterIdentify)
	defer cancel()
	var met []error
	for _, way := range []struct {
		machine string
		over    medium
	}{
		{"none", descriptor},
		// For a QEMU without TCG where there is no /dev/kvm.
		{"none,accel=qtest", descriptor},
		{"none", stdio},
	} {
		info, err := converseOver(ctx, path, way.machine, way.over)
		if err == nil {
			return info, nil
		}
		if !slices.ContainsFunc(met, func(e error) bool { return e.Error() == err.Error() }) {
			met = append(met, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return Info{}, &unansweredError{path, met}
}

// An unansweredError is what came of each way to ask a monitor.
type unansweredError struct {
	path string
	met  []error
}

func (e *unansweredError) Error() string {
	texts := make([]string, len(e.met))
	for i, err := range e.met {
		texts[i] = err.Error()
	}
	return fmt.Sprintf("asking the monitor of %s: %s", e.path, strings.Join(texts, "; and asked another way: "))
}

func (e *unansweredError) Unwrap() []error { return e.met }

// exitWithin is how long a QEMU that has not answered may take to end by itself: then its
// exit status says more.
const exitWithin = 200 * time.Millisecond

// A medium is what a monitor's end of a socket becomes in QEMU.
type medium func(cmd *exec.Cmd, end *os.File)

func descriptor(cmd *exec.Cmd, end *os.File) {
	cmd.ExtraFiles = []*os.File{end}
	cmd.Args = append(cmd.Args, "-chardev", "socket,id=drover-qmp,fd=3", "-qmp", "chardev:drover-qmp")
}

func stdio(cmd *exec.Cmd, end *os.File) {
	cmd.Stdin, cmd.Stdout = end, end
	cmd.Args = append(cmd.Args, "-qmp", "stdio")
}

// converseOver holds one session, from the start of its QEMU to its end.
func converseOver(ctx context.Context, path, machine string, over medium) (Info, error) {
	conn, end, err := socketPair()
	if err != nil {
		return Info{}, err
	}
	cmd := exec.CommandContext(ctx, path, "-machine", machine, "-nodefaults", "-display", "none", "-S")
	tie(cmd)
	over(cmd, end)
	errs := &limitedBuffer{overflow: func() {}}
	cmd.Stderr = errs

	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		_ = runStarted(cmd, started)
	}()
	err = <-started
	_ = end.Close()
	if err != nil {
		_ = conn.Close()
		<-ended
		return Info{}, err
	}
	info, err := question(ctx, conn)
	_ = conn.Close()
	exit := ""
	if err != nil {
		select {
		case <-ended: // by itself, for the session has
			exit = fmt.Sprintf(": it ended with %s", cmd.ProcessState)
		case <-time.After(exitWithin):
		case <-ctx.Done():
		}
	}
	_ = cmd.Cancel()
	<-ended
	info.Features.QMPDescriptors = len(cmd.ExtraFiles) > 0
	if err != nil {
		err = fmt.Errorf("%w%s", err, exit)
		if output := lastLine(errs.text.String()); output != "" {
			err = fmt.Errorf("%w: its output: %s", err, output)
		}
		return Info{}, err
	}
	return info, nil
}

// question asks over a monitor's connection.
func question(ctx context.Context, conn net.Conn) (Info, error) {
	session, err := qmp.New(ctx, conn, qmp.Options{})
	if err != nil {
		return Info{}, err
	}
	defer session.Close()
	var info Info
	info.Features.OOB = session.OOB()
	if info.Target, err = qapi.QueryTarget(ctx, session); err != nil {
		return Info{}, err
	}
	if info.Capabilities, err = qapi.QueryMigrateCapabilities(ctx, session); err != nil {
		return Info{}, err
	}
	shape, err := schema.Query(ctx, session)
	if err != nil {
		return Info{}, err
	}
	info.Features.Channels = shape.Has("migrate channels")
	info.Features.Zstd = shape.Has("migrate-set-parameters multifd-compression zstd")
	info.Features.IOUring = shape.Has("blockdev-add driver=file aio io_uring")
	_, info.Features.Postcopy = info.Capabilities["postcopy-ram"]

	// The type is there in every build; only making one shows it.
	err = qapi.ObjectAdd(ctx, session, "tls-creds-anon", "drover-tls", map[string]any{"endpoint": "client"})
	info.Features.TLS = err == nil
	if _, refused := errors.AsType[*qmp.Error](err); err != nil && !refused {
		return Info{}, err
	}
	return info, nil
}

// socketPair makes two connected sockets: ours, and one for a child.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "monitor"), os.NewFile(uintptr(fds[1]), "monitor")
	conn, err := net.FileConn(ours)
	_ = ours.Close() // FileConn has its own copy
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return conn, theirs, nil
}

package probe

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/internal/ended"
)

const (
	// identifyTimeout bounds the first question, -version: what doesn't
	// answer within it isn't taken for a QEMU.
	identifyTimeout = 10 * time.Second

	// maxOutput is more than any QEMU prints to any help option (10.0's
	// -device help: 60 KB), and bounds what is kept of a program that isn't
	// a QEMU.
	maxOutput = 4 << 20
)

// errTooMuch ends a program that prints more than any QEMU would.
var errTooMuch = errors.New("printed more than any QEMU does")

// A limitedBuffer keeps what is written to it up to maxOutput bytes and then
// fails, so that the program that writes is ended.
type limitedBuffer struct {
	text     strings.Builder
	overflow func()
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxOutput {
		b.overflow()
		return 0, errTooMuch
	}
	return b.text.Write(p)
}

// run runs a binary with arguments until it ends or the context does, and
// returns what it printed.
func run(ctx context.Context, path string, args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(ctx, path, args...)
	tie(cmd)
	out := &limitedBuffer{overflow: func() { cancel(errTooMuch) }}
	errs := &limitedBuffer{overflow: func() { cancel(errTooMuch) }}
	cmd.Stdout, cmd.Stderr = out, errs

	err = runTied(cmd)
	if ctx.Err() != nil {
		err = ended.By(ctx)
	}
	return out.text.String(), errs.text.String(), err
}

// tie makes a command die with its context, and with this process, together
// with whatever it started in its process group. See runStarted.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A descendant that left the group may hold our pipes: don't wait for it.
	cmd.WaitDelay = 2 * time.Second
}

// runTied runs a tied command to its end. The kernel sends Pdeathsig when the
// forking thread ends, not when the process does: so this goroutine keeps its
// thread until the child has ended.
func runTied(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	return runStarted(cmd, started)
}

// runStarted is runTied, and says when the command has started, or why it
// hasn't. What the command leaves behind in its process group is killed when it has
// ended, before its number can be given to somebody else.
func runStarted(cmd *exec.Cmd, started chan<- error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err != nil {
		return err
	}
	for errors.Is(unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		continue
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return cmd.Wait()
}

// InPath returns the path of a program that is named without one, where PATH has it, and any
// other name as it is: whoever starts that says why it can't be.
func InPath(name string) string {
	if !strings.Contains(name, "/") {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return name
}

// firstLine returns the first line of a program's output that isn't empty,
// lastLine the last one, shortened to what fits into a sentence.
func firstLine(output string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(output), "\n")
	return shortened(line)
}

func lastLine(output string) string {
	output = strings.TrimSpace(output)
	return shortened(output[strings.LastIndex(output, "\n")+1:])
}

func shortened(line string) string {
	const most = 200
	line = strings.TrimSpace(line)
	if len(line) > most {
		line = line[:most] + "…"
	}
	return strings.ToValidUTF8(line, "?")
}

// behind returns what follows a help option's heading: a script that starts a QEMU
// may print lines of its own before. Without the heading it is the whole text.
func behind(help, heading string) string {
	for line := range strings.Lines(help) {
		if strings.HasPrefix(line, heading) {
			_, rest, _ := strings.Cut(help, line)
			return rest
		}
	}
	return help
}

// errorf makes a NotQEMUError.
func errorf(path, format string, args ...any) error {
	return &NotQEMUError{Path: path, Reason: fmt.Sprintf(format, args...)}
}

package fleet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/drover-vm/drover/internal/ended"
)

const (
	// stallTimeout ends a tool that prints nothing for so long. apt's own time
	// limits (see aptConfiguration) end a broken connection earlier.
	stallTimeout = 2 * time.Minute

	// graceTimeout is the time between SIGTERM, on which apt-get keeps what it
	// has downloaded, and SIGKILL.
	graceTimeout = 3 * time.Second

	// keptOutput is how much of the end of a tool's messages is kept.
	keptOutput = 64 << 10
)

// errStalled is why a tool was ended that printed nothing for stallTimeout.
var errStalled = fmt.Errorf("it printed nothing for %v", stallTimeout)

// A command is one run of a tool of the system. It ends with its context and
// with this process, and its descendants with it.
type command struct {
	path   string
	args   []string
	dir    string       // where it stands; "" = where this process does
	stdout io.Writer    // nil = kept with the messages
	status func(string) // called with each line of descriptor 3; nil = there is none
}

// run runs the tool to its end and returns its messages, which an error does
// not hold.
func (c command) run(ctx context.Context) (output string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	defer stall.Stop()
	alive := func() { stall.Reset(stallTimeout) }

	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = graceTimeout

	messages := &tail{alive: alive}
	cmd.Stderr = messages
	cmd.Stdout = messages
	if c.stdout != nil {
		cmd.Stdout = watched{c.stdout, alive}
	}

	// The kernel ties the child to the thread that forks it; see dieWithParent.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var reading sync.WaitGroup
	var read *os.File
	if c.status != nil {
		var write *os.File
		if read, write, err = os.Pipe(); err != nil {
			return "", err
		}
		defer read.Close()
		defer write.Close()
		cmd.ExtraFiles = []*os.File{write}
		if err := cmd.Start(); err != nil {
			return "", err
		}
		write.Close()
		reading.Go(func() {
			lines := bufio.NewScanner(read)
			for lines.Scan() {
				alive()
				c.status(lines.Text())
			}
		})
	} else if err := cmd.Start(); err != nil {
		return "", err
	}
	err = cmd.Wait()
	// What it started and left behind has no more to do.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if read != nil {
		// A descendant that kept the other end must not keep the reader.
		_ = read.SetReadDeadline(time.Now().Add(graceTimeout))
	}
	reading.Wait()
	if ctx.Err() != nil && err != nil {
		err = ended.By(ctx)
	} else if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return messages.String(), err
}

// A tail keeps the end of what is written to it. Its own lock makes it fit
// for standard output and error at once.
type tail struct {
	alive func()
	mu    sync.Mutex
	kept  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.alive()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept.Write(p)
	if over := t.kept.Len() - keptOutput; over > 0 {
		t.kept.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}

// watched calls a function at each write.
type watched struct {
	io.Writer
	alive func()
}

func (w watched) Write(p []byte) (int, error) {
	w.alive()
	return w.Writer.Write(p)
}

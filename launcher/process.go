package launcher

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is one QEMU and whatever it starts (an exec: migration is a child
// of QEMU): a process group that has ended when done is closed.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the group has ended and state is set

	mu      sync.Mutex
	endedBy error // why it was ended from here
}

// startProcess starts cmd in a group of its own. The kernel kills the child
// when the thread that forked it ends, which is how it ends with us even if
// we are killed; so one thread does nothing else than fork, and stay until
// the child has ended.
func startProcess(cmd *exec.Cmd, coreDumps bool) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		keepInheritedToOurselves()
		err := cmd.Start()
		if err == nil {
			limitCore(cmd.Process.Pid, coreDumps)
		}
		started <- err
		if err == nil {
			p.reap()
		}
	}()
	return p, <-started
}

// keepInheritedToOurselves sets close-on-exec on what our parent left
// open (make's job server, a lock of flock(1)): a QEMU that held it would hold
// them up. What a Go program opens has it set anyway, and exec.Cmd.ExtraFiles
// are not affected. Linux has the call since 5.11; before, they pass on.
func keepInheritedToOurselves() {
	_ = unix.CloseRange(firstInherited, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

// limitCore settles whether a crash leaves a core. Limits are of a process, not
// of a thread, and there is no shell to set them between fork and exec; so the
// child's are set once it runs, which is long before it has read its arguments.
//
// The limit is one byte because the kernel reads 0 as "no file", and pipes the
// core to a handler all the same where core_pattern names one; 1 stops both.
func limitCore(pid int, dumps bool) {
	limit := unix.Rlimit{Cur: 1, Max: 1}
	if dumps {
		if unix.Prlimit(pid, unix.RLIMIT_CORE, nil, &limit) != nil {
			return
		}
		limit.Cur = limit.Max
	}
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &limit, nil)
}

// reap waits for the child, and kills what it left behind before its number
// can be given to somebody else.
func (p *process) reap() {
	for {
		err := unix.Waitid(unix.P_PID, p.pid(), nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = unix.Kill(-p.pid(), unix.SIGKILL)
	_ = p.cmd.Wait() // how it ended is in ProcessState
	close(p.done)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// signal sends to the child only; it reports nothing where that has ended.
func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// terminate asks the child to end. A stopped one is continued to receive it.
func (p *process) terminate() {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
}

// kill ends the group and returns when it has ended.
func (p *process) kill() {
	p.signal(syscall.SIGKILL) // the reaper sees to the rest of the group
	<-p.done
}

// exited reports whether the child has ended, after waiting at most that long.
func (p *process) exited(timeout time.Duration) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		// Both may be ready: what has happened counts.
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	}
}

// endBecause notes why the child is about to be ended from here; the first reason
// counts, and none where it has ended already.
func (p *process) endBecause(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endedBy == nil && p.state() == nil {
		p.endedBy = reason
	}
}

// by is why the child was ended from here, nil where it was not.
func (p *process) by() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endedBy
}

// state is how the child ended, nil while it runs.
func (p *process) state() *os.ProcessState {
	select {
	case <-p.done:
		return p.cmd.ProcessState
	default:
		return nil
	}
}

package launcher

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is one QEMU and whatever it starts (an exec: migration is a child
// of QEMU): a process group that is gone when done is closed.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the group is gone and state is set
}

// startProcess starts cmd in a group of its own. The kernel kills the child
// when the thread that forked it ends, which is how it dies with us even if
// we are killed; so one thread does nothing else than fork, and stay until
// the child is gone.
func startProcess(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			p.reap()
		}
	}()
	return p, <-started
}

// reap waits for the child, and kills what it left behind before its number
// can be given to somebody else.
func (p *process) reap() {
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	_ = p.cmd.Wait() // what it says is in ProcessState
	close(p.done)
}

// signal sends to the child only; it says nothing where that is gone.
func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the group and returns when it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL) // the reaper sees to the rest of the group
	<-p.done
}

// exited says whether the child is gone, after waiting at most that long.
func (p *process) exited(patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

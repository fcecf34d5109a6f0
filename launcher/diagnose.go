package launcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/protocol/qapi"
)

// Bounds of the parts of a diagnosis, within those of its context.
const (
	pulseTimeout     = 2 * time.Second
	registersTimeout = 2 * time.Second
	stacksTimeout    = 15 * time.Second // gdb reads QEMU's symbols first
)

// A Diagnosis is what could be seen of a VM from outside at one time. What
// could not be had is empty, and Problems says why.
type Diagnosis struct {
	Name      string
	Time      time.Time
	Pulse     Pulse
	Process   string // the state of QEMU's process: "sleeping", "stopped", "exit status 1", ...
	Status    string // the guest's run state, as query-status gives it
	Registers string // of each CPU
	QMP       string // the last command sent and the last message from the monitor, shortened
	Console   string // the end of the guest's console
	Stderr    string // the end of QEMU's error output
	Stacks    string // of each of QEMU's threads, where eu-stack or gdb is in PATH
	Command   string // the command line, for a shell
	Problems  []string
}

// Diagnose collects what can be seen of a VM that may hang. It takes no longer
// than ctx, nor than 20 seconds, and a tenth of a second of a VM that doesn't
// hang where there is neither eu-stack nor gdb; these stop QEMU while they look.
func (v *VM) Diagnose(ctx context.Context) *Diagnosis {
	d := v.Observe(ctx)
	if d.Pulse == Answering {
		d.addStacks(ctx, v)
	}
	return d
}

// Observe is [VM.Diagnose] of a VM whose monitor answers without the stacks of QEMU's threads,
// which tell little where nothing hangs: it takes a tenth of a second, and stops nobody.
func (v *VM) Observe(ctx context.Context) *Diagnosis {
	d := &Diagnosis{
		Name: v.config.Name, Time: time.Now(), QMP: v.exchange.String(), Stderr: v.stderr.String(),
		Console: string(v.console.Since(v.console.Mark() - 1024)), Command: v.ShellCommand(),
		Process: v.processState(),
	}
	look, cancel := context.WithTimeout(ctx, pulseTimeout)
	d.Pulse = v.Pulse(look)
	cancel()
	switch d.Pulse {
	case Ended:
	case Answering:
		d.askMonitor(ctx, v)
	default:
		d.Problems = append(d.Problems, fmt.Sprintf("the monitor is %s: it was not asked for the run state and the registers", d.Pulse))
		d.addStacks(ctx, v)
	}
	return d
}

func (d *Diagnosis) addStacks(ctx context.Context, v *VM) {
	var err error
	if d.Stacks, err = stacks(ctx, v.PID()); err != nil {
		d.Problems = append(d.Problems, err.Error())
	}
}

func (d *Diagnosis) askMonitor(ctx context.Context, v *VM) {
	ctx, cancel := context.WithTimeout(ctx, registersTimeout)
	defer cancel()
	status, err := qapi.QueryStatus(ctx, v.qmp)
	if err != nil {
		d.Problems = append(d.Problems, err.Error())
	}
	d.Status = string(status.Status)
	text, err := qapi.HumanMonitor(ctx, v.qmp, "info registers -a")
	if err != nil {
		d.Problems = append(d.Problems, err.Error())
	}
	d.Registers = strings.ReplaceAll(text, "\r\n", "\n")
}

// String is the diagnosis in lines, one heading a part.
func (d *Diagnosis) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %s: its monitor is %s, its process is %s\n", d.Name, d.Time.Format(time.TimeOnly), d.Pulse, d.Process)
	for _, part := range []struct{ name, text string }{
		{"run state", d.Status},
		{"last on the monitor", d.QMP},
		{"end of the console", strconv.QuoteToASCII(d.Console)},
		{"error output", d.Stderr},
		{"registers", d.Registers},
		{"QEMU's threads", d.Stacks},
		{"not to be had", strings.Join(d.Problems, "\n")},
		{"the same by hand", d.Command},
	} {
		text := strings.TrimRight(part.text, "\n")
		switch {
		case text == "" || text == `""`:
		case strings.Contains(text, "\n"):
			fmt.Fprintf(&b, "%s:\n  %s\n", part.name, strings.ReplaceAll(text, "\n", "\n  "))
		default:
			fmt.Fprintf(&b, "%s: %s\n", part.name, text)
		}
	}
	return b.String()
}

// processState says what QEMU's process is doing, or how it ended.
func (v *VM) processState() string {
	if state := v.process.state(); state != nil {
		return state.String()
	}
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(v.PID()), "status"))
	if err != nil {
		return "gone"
	}
	for line := range strings.Lines(string(status)) {
		// State:	S (sleeping)
		if _, word, ok := strings.Cut(line, "("); ok && strings.HasPrefix(line, "State:") {
			return strings.TrimRight(word, ")\n")
		}
	}
	return "unknown"
}

// stacks has a debugger print the stack of each thread of a process.
func stacks(ctx context.Context, pid int) (string, error) {
	id := strconv.Itoa(pid)
	tools := [][]string{
		{"eu-stack", "-p", id},
		{"gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "thread apply all backtrace 30", "-p", id},
	}
	var failed error
	for _, tool := range tools {
		path, err := exec.LookPath(tool[0])
		if err != nil {
			continue
		}
		text, err := output(ctx, stacksTimeout, exec.Command(path, tool[1:]...))
		if err == nil && strings.Contains(text, "#0") {
			return text, nil
		}
		failed = fmt.Errorf("no stacks of QEMU's threads: %s -p %d: %s", tool[0], pid, reason(err, text))
	}
	if failed == nil {
		failed = errors.New("no stacks of QEMU's threads: install elfutils (eu-stack) or gdb")
	}
	return "", failed
}

func reason(err error, text string) string {
	output := lastLines(text, 2)
	if err == nil {
		return output
	}
	return strings.TrimSuffix(err.Error()+": "+output, ": ")
}

// output runs a command to its end, with all that a QEMU's process has: it ends
// with us, and in time.
func output(ctx context.Context, timeout time.Duration, cmd *exec.Cmd) (string, error) {
	printed := &tail{most: 256 << 10}
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.WaitDelay = exitGrace
	p, err := startProcess(cmd, false)
	if err != nil {
		return "", err
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-ctx.Done():
		err = ended.By(ctx)
	case <-timer.C:
		err = fmt.Errorf("it took longer than %v", timeout)
	}
	p.kill()
	if state := p.state(); err == nil && !state.Success() {
		err = errors.New(state.String())
	}
	return printed.String(), err
}

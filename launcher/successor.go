package launcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
)

// A successor is the QEMU that another may execute in its place: its command line, and our
// ends of what it will be connected to. The process inherits its descriptors from the start.
type successor struct {
	vm     *VM
	wiring *wiring
	before *wiring     // of the QEMU that executes it
	taken  atomic.Bool // it is the process now
}

// A ReplacedError says that a QEMU is gone whose process runs its successor: its sessions
// have ended.
type ReplacedError struct{ Name string }

func (e *ReplacedError) Error() string {
	return fmt.Sprintf("launcher: %s has executed another QEMU in its place", e.Name)
}

// prepareSuccessor builds what Config.Successor asks for.
func (v *VM) prepareSuccessor(ctx context.Context, w *wiring) error {
	if v.config.Successor == nil {
		return nil
	}
	c := v.config.Successor.withDefaults()
	if err := c.checkSuccessor(); err != nil {
		return err
	}
	probed, err := c.identify(ctx)
	if err != nil {
		return err
	}
	if c, err = c.chosen(ctx); err != nil {
		return err
	}
	s := newVM(c, probed, v.sandbox)
	s.stopKill = func() bool { return true }
	s.argv.others = len(v.argv.inherited)
	v.successor = &successor{vm: s, before: w}
	if v.successor.wiring, err = s.wire(); err != nil {
		return fmt.Errorf("launcher: %w", err)
	}
	return nil
}

// checkSuccessor refuses what a QEMU can't have that another executes.
func (c Config) checkSuccessor() error {
	switch {
	case len(c.Backends) > 0:
		return fmt.Errorf("launcher: %s can't have backends: another QEMU executes it, and they would begin with that one", c.Name)
	case c.Successor != nil:
		return fmt.Errorf("launcher: %s can't have a successor, as it is one", c.Name)
	}
	return c.check()
}

// SuccessorCommand is what this QEMU has to execute for Config.Successor to take its place, the
// program first: the migration parameter cpr-exec-command. Nil without a successor.
func (v *VM) SuccessorCommand() []string {
	if v.successor == nil {
		return nil
	}
	return slices.Insert(slices.Clone(v.successor.vm.argv.run), 0, v.successor.vm.binary)
}

// Succeed waits until both sessions of Config.Successor answer, which this QEMU executes in its
// place, and returns it as a VM in the same process, with the error output from now on. It takes no
// longer than the StartTimeout of that configuration. The sessions of this VM end with a
// *ReplacedError; what they and its console have had stays readable. Both VMs are to be closed, and
// either Close ends the process. It is called once.
func (v *VM) Succeed(ctx context.Context) (*VM, error) {
	switch {
	case v.successor == nil:
		return nil, errors.New("launcher: " + v.config.Name + " was started without a successor")
	case v.successor.taken.Swap(true):
		return nil, errors.New("launcher: the successor of " + v.config.Name + " was waited for before")
	}
	v.stopWatch()
	v.successor.before.end(0) // nobody else would: the process has QEMU's ends still, and no use for them
	s := v.successor.vm
	s.process = v.process
	v.stderr.continueIn(s.stderr)
	err := s.start(ctx, func(start context.Context) error { return s.connect(start, v.successor.wiring) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// inherits are the descriptors that the process needs for it.
func (s *successor) inherits() []*os.File {
	if s == nil {
		return nil
	}
	return s.vm.argv.inherited
}

// started drops our copies of what the process has now.
func (s *successor) started() {
	if s != nil {
		s.vm.argv.closeInherited()
	}
}

// took reports whether the process is the successor's now, or about to be.
func (s *successor) took() bool { return s != nil && s.taken.Load() }

// end ends it, and the process where that is its own; nil has nothing to end.
func (s *successor) end() error {
	if s == nil {
		return nil
	}
	return s.vm.Close()
}

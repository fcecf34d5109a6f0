package migration

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/migration/record"
)

func shared() []Scenario { return []Scenario{ignoreShared} }

var ignoreShared = Scenario{
	Name:      "ignore-shared",
	Doc:       "RAM that both QEMUs map is not sent, and the guest goes on in it",
	Needs:     []Need{{Capability: IgnoreShared}},
	SharedRAM: true,
	Story: Steps{
		Enable(IgnoreShared), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), RememberMemory(), Listen(Unix), Migrate(), AwaitSwitchover(), SeeSent(record.AtMost(15 * MB)),
		SeeSameRAM(), SeeMemoryKept(),
	},
}

// SeeSent gathers how many bytes the source has sent.
func SeeSent(bounds record.Bounds) Step {
	return Step{Name: "see how much was sent", Do: func(_ context.Context, p *Pair) error {
		p.measure("sent by the source", float64(p.Facts.Migration.Bytes), "bytes", bounds)
		return nil
	}}
}

// shareRAM makes the file that is the guest's RAM on both sides, where the
// scenario wants it. It lives in memory, and is opened through our descriptor.
func (r *run) shareRAM(p *Pair) error {
	if r.scenario.HandOver {
		r.ownRAM(p)
	}
	if !r.scenario.SharedRAM {
		return nil
	}
	fd, err := unix.MemfdCreate("drover-ram", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	r.ram = os.NewFile(uintptr(fd), "drover-ram")
	if err := r.ram.Truncate(int64(r.program.MemoryMiB) << 20); err != nil {
		return err
	}
	p.Facts.SharedRAM = true
	r.ramArgs = []string{
		"-object", fmt.Sprintf("memory-backend-file,id=ram,size=%dM,mem-path=/proc/%d/fd/%d,share=on", r.program.MemoryMiB, os.Getpid(), fd),
		"-machine", "memory-backend=ram",
	}
	return nil
}

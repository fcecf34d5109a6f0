package migration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
	"github.com/drover-vm/drover/protocol/qapi"
)

// A tampering is done to a guest that has arrived and runs, and what the guest's pulse then
// has to tell.
type tampering struct {
	what    string
	fault   func(ctx context.Context, p *migration.Pair) error
	witness string
}

// ports writes bytes to ports of the destination, while its guest is paused, which uses the
// same ones.
func ports(writes ...[2]uint16) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		err := qapi.Stop(ctx, p.Destination.QMP())
		for _, w := range writes {
			err = errors.Join(err, p.Destination.QTest().Outb(ctx, w[0], uint8(w[1])))
		}
		return errors.Join(err, qapi.Cont(ctx, p.Destination.QMP()))
	}
}

// registers writes words to registers of the destination's devices, in memory.
func registers(writes ...[2]uint32) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) (err error) {
		for _, w := range writes {
			err = errors.Join(err, p.Destination.QTest().Writel(ctx, uint64(w[0]), w[1]))
		}
		return err
	}
}

// patch changes one byte of the guest program itself, of the bytes that it is found by.
func patch(find string, at int, value byte) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		const loaded = 0x7c00
		i := bytes.LastIndex(p.Program.BootBlock, []byte(find))
		if i < 0 {
			return fmt.Errorf("the guest program has nowhere % x", find)
		}
		return p.Destination.QTest().Writeb(ctx, uint64(loaded+i+at), value)
	}
}

// tamperings are looked at together, one group after the other: the state of the CPU first,
// for which the guest goes on, and then what stops for good.
func tamperings() [][]tampering {
	return [][]tampering{{
		{"CR2", setRegister(gdbCR2, 0x1000, 8), "vCPU 0's state changed on the destination: CR2 (expected 0x2c2c2c2c, found 0x1000)"},
	}, {
		{"the base of FS", setRegister(gdbFSBase, 0x8000, 8), "vCPU 0's state changed on the destination: the base of FS, "},
		{"CR3", setRegister(gdbCR3, 0xc3d000, 8), ", CR3, "},
		{"x87's control word", setRegister(gdbFCW, 0x37f, 4), ", the x87 control and status words, "},
		{"MXCSR", setRegister(gdbMXCSR, 0x1f80, 4), ", MXCSR, "},
		{"an SSE register", setRegister(gdbXMM3, 7, 16), ", the SSE registers, "},
		{"EFER", setRegister(gdbEFER, 0, 8), ", EFER, "},
		{"KERNEL_GS_BASE", setRegister(gdbKernelGSBase, 0x1234, 8), ", KERNEL_GS_BASE"},
		{
			"the local APIC's task priority", patch("\xc7\x05\x80\x00\xe0\xfe\x30\x00\x00\x00", 6, 0x00),
			"interrupts changed on the destination: its pending interrupts (IRR)",
		},
		{"an exception", poke(0x10060, 1), "unexpected exceptions on the destination: 1, expected 0"},
	}, {
		{"the interval timer in one-shot mode", ports([2]uint16{0x43, 0x30}, [2]uint16{0x40, 2}, [2]uint16{0x40, 0}), "the interval timer (PIT) has stopped on the destination: "},
		{"the clock's periodic interrupt off", ports([2]uint16{0x70, 0x0b}, [2]uint16{0x71, 0x02}), "the real-time clock's periodic interrupt has stopped on the destination: "},
		{"the HPET's interrupt masked in the I/O APIC", registers([2]uint32{0xfec00000, 0x10 + 2*20}, [2]uint32{0xfec00010, 1<<16 | 0x52}), "the HPET's timer 2 has stopped on the destination: "},
		{"the local APIC's timer masked", patch("\xc7\x05\x20\x03\xe0\xfe\x53\x00\x02\x00", 8, 3), "the local APIC's one-shot timer has stopped on the destination: "},
		{"vCPU 1 deaf", patch("\xfb\xf4\xe8", 1, 0xfa), "the IPI that wakes vCPU 1, which is halted, has stopped on the destination: "},
		{
			"a vCPU that never started",
			func(ctx context.Context, p *migration.Pair) error {
				return p.Destination.QTest().Writel(ctx, 0x1003c, 1)
			},
			"the vCPUs that the guest has started are 1 on the destination, expected 2",
		},
	}, {
		{"the HPET off", registers([2]uint32{0xfed00010, 0}), "the HPET's main counter has stopped on the destination: "},
		{
			"the ACPI registers no longer decoded",
			func(ctx context.Context, p *migration.Pair) error {
				q := p.Destination.QTest() // the PM function of the PIIX4, PMREGMISC
				return errors.Join(q.Outl(ctx, 0xcf8, 1<<31|1<<11|3<<8|0x80), q.Outb(ctx, 0xcfc, 0))
			},
			"the ACPI PM timer has stopped on the destination: ",
		},
	}, {
		{
			"a guest that is paused",
			func(ctx context.Context, p *migration.Pair) error { return qapi.Stop(ctx, p.Destination.QMP()) },
			"the destination's guest does not run: its run state is paused",
		},
	}}
}

// TestWhatAGuestLostIsInItsPulse tampers with a live guest that has arrived, and demands that
// the guest itself notices each.
func TestWhatAGuestLostIsInItsPulse(t *testing.T) {
	t.Parallel()
	long(t)
	done := 0
	result := run(t, scenario(t, "pulse/smp2"), migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(), Rewrite: func(all migration.Steps) migration.Steps {
			at := slices.IndexFunc(all, func(s migration.Step) bool { return s.Name == "expect pulse" })
			require.Positive(t, at)
			all = slices.Insert(slices.Clone(all), at+1, migration.Step{Name: "end", Do: func(context.Context, *migration.Pair) error { return errTampered }})
			for _, group := range slices.Backward(tamperings()) {
				all = slices.Insert(slices.Clone(all), at+1, migration.Step{
					Name: "tamper with " + group[0].what, Timeout: 3 * migration.StepTimeout,
					Do: func(ctx context.Context, p *migration.Pair) error {
						err := noticed(ctx, p, group)
						if err == nil {
							done++
						}
						return err
					},
				})
			}
			return all
		},
	})
	require.Equal(t, len(tamperings()), done, explain(result))
	require.Contains(t, result.Reason, errTampered.Error())
}

// errTampered ends the steps: there is nothing to prove of such a guest.
var errTampered = errors.New("the guest has been tampered with enough")

// noticed does what a group of tamperings is, and demands that the pulse has the witness of
// each. The guest finds it out within a few rounds, so a look may come too early.
func noticed(ctx context.Context, p *migration.Pair, group []tampering) error {
	for _, c := range group {
		if err := c.fault(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	var unseen, last string
	err := migration.Poll(ctx, "the pulse to tell of it", func() (bool, error) {
		if err := steps.ExpectPulse(migration.DestinationName).Do(ctx, p); err != nil {
			return false, err
		}
		_, last = p.Facts.Pulse[len(p.Facts.Pulse)-1].Judge(p.Program)
		for _, c := range group {
			if unseen = c.witness; !strings.Contains(last, unseen) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %q is not in: %s", err, unseen, last)
	}
	return nil
}

// TestPulseOfAnotherGuestIsRefused: the incrementer says nothing of its machine.
func TestPulseOfAnotherGuestIsRefused(t *testing.T) {
	t.Parallel()
	requireNoticed(t, "precopy/unix/plain", `declare "guest pulse"`, after("boot", func(ctx context.Context, p *migration.Pair) error {
		return steps.ExpectPulse(migration.SourceName).Do(ctx, p)
	}))
}

// TestTimerThatHadExpiredMayNotGoOn: QEMU 10.0 and 11.1 arm a periodic HPET timer of 32 bits
// too late by 2^32 of its ticks, 43 s, where it had expired and not been served when the guest
// moved: hpet_post_load takes its comparator for one that is still to come. That is chance;
// 5.2 and 7.2 never do.
func TestTimerThatHadExpiredMayNotGoOn(t *testing.T) {
	long(t)
	text, err := os.ReadFile(filepath.Join("testdata", "hpet32.scenario"))
	require.NoError(t, err)
	s, err := migration.Parse("hpet32", "hpet32.scenario", string(text), steps.Verbs())
	require.NoError(t, err)
	for _, qemu := range qemutest.Fleet(t, "x86_64") {
		t.Run(qemu, func(t *testing.T) {
			t.Parallel()
			result := run(t, s, migration.Options{Source: qemu, Artifacts: t.TempDir()})
			if old := []string{"5.2", "7.2"}; result.Outcome != record.Pass && !slices.Contains(old, qemutest.Version(t, qemu)) {
				require.Contains(t, result.Reason, "the HPET's timer 2 has stopped on the destination: ", explain(result))
				return
			}
			require.Equal(t, record.Pass, result.Outcome, explain(result))
		})
	}
}

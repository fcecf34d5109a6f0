package migration_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/protocol/qapi"
)

// Numbers of aarch64's registers in GDB's protocol: 31 general ones, sp, pc, cpsr, 32 vector
// registers, fpsr, fpcr.
const (
	gdbX26  = 26
	gdbV0   = 34
	gdbFPSR = 66
	gdbFPCR = 67
)

// Where the virt machine's devices are.
const (
	virtGIC  = 0x8000000
	virtUART = 0x9000000
	virtRTC  = 0x9010000
)

// instead writes another instruction over the first of the guest program that is such a one.
func instead(was, is uint32) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		const loaded = 512 << 10 // above where RAM begins
		at := bytes.Index(p.Program.Kernel, binary.LittleEndian.AppendUint32(nil, was))
		if at < 0 {
			return errors.New("the guest program has no such instruction")
		}
		return p.Destination.QTest().Writel(ctx, p.Program.RAMStart+loaded+uint64(at), is)
	}
}

// TestWhatAnAArch64GuestLostIsInItsPulse: with one vCPU, for QEMU would ask which of several
// it is that looks at the GIC.
func TestWhatAnAArch64GuestLostIsInItsPulse(t *testing.T) {
	t.Parallel()
	long(t)
	const (
		liftMask, keepMask = 0x52800e00, 0x52800a00 // movz w0, #0x70; movz w0, #0x50
		watchedStore, nop  = 0xb900115f, 0xd503201f // str wzr, [x10, #16]
	)
	requireNoticedInPulse(t, "aarch64", "pulse/precopy", [][]tampering{{
		{"a general register", setRegister(gdbX26, 7, 8), "vCPU 0's state changed on the destination: x26 (expected 0x4009100c, found 0x7)"},
	}, {
		{"a vector register", setRegister(gdbV0, 7, 16), "d0, "},
		{"the floating-point status", setRegister(gdbFPSR, 0, 4), "FPSR, "},
		{"the floating-point control", setRegister(gdbFPCR, 0, 4), "FPCR, "},
		{"an exception", poke(0x40090040, 1), "unexpected exceptions on the destination: 1, expected 0"},
		{"a clock that goes back", registers([2]uint32{virtRTC + 0x8, 5}), "clocks changed on the destination: the real-time clock went back"},
	}, {
		{"no interrupt in service", registers([2]uint32{virtGIC + 0x380, 1 << 1}), "interrupts changed on the destination: the GIC's interrupts in service"},
		{"an interrupt no longer pending", registers([2]uint32{virtGIC + 0x284, 1 << 8}), ", the devices' pending interrupts, "},
		{"another priority", registers([2]uint32{virtGIC + 0x420, 0}), ", the UART's interrupt's priority"},
	}, {
		{"the virtual timer's interrupt not enabled", registers([2]uint32{virtGIC + 0x180, 1 << 27}), "vCPU 0's virtual timer has stopped on the destination: "},
		{"the physical timer's interrupt not enabled", registers([2]uint32{virtGIC + 0x180, 1 << 30}), "vCPU 0's physical timer has stopped on the destination: "},
		{"the UART's line down", registers([2]uint32{virtUART + 0x38, 0}), "the UART's interrupt, whose line stays up while it is not enabled has stopped on the destination: "},
		{"the clock's interrupt not enabled", registers([2]uint32{virtRTC + 0x10, 0}), "the real-time clock's alarm has stopped on the destination: "},
		{"nothing written where the watchpoint is", instead(watchedStore, nop), "vCPU 0's watchpoint of DBGWVR0 has stopped on the destination: "},
	}, {
		{"a priority mask that is not lifted", instead(liftMask, keepMask), "the interrupt that the priority mask holds back has stopped on the destination: "},
	}, {
		{
			"a guest that is paused",
			func(ctx context.Context, p *migration.Pair) error { return qapi.Stop(ctx, p.Destination.QMP()) },
			"the destination's guest does not run: its run state is paused",
		},
	}})
}

func TestWhatAnAArch64GuestWithTwoVCPUsLostIsInItsPulse(t *testing.T) {
	t.Parallel()
	long(t)
	const wfi, maskInterrupts = 0xd503207f, 0xd50342df
	requireNoticedInPulse(t, "aarch64", "pulse/smp2", [][]tampering{{
		{"vCPU 1 deaf", instead(wfi, maskInterrupts), "the interrupt that wakes vCPU 1, which is halted, has stopped on the destination: "},
		{"a vCPU that never started", poke(0x40090014, 1), "the vCPUs that the guest has started are 1 on the destination, expected 2"},
	}})
}

// TestAlarmWhoseSecondHasPassedIsSetAnew: QEMU forgets one whose second passes after the source has
// sent its clock, and before the destination has it.
func TestAlarmWhoseSecondHasPassedIsSetAnew(t *testing.T) {
	t.Parallel()
	long(t)
	result := judged(t, scenario(t, "pulse/alarm"), migration.Options{
		Arch: "aarch64", Source: seesHotWrites(t, "aarch64"), Artifacts: t.TempDir(),
		Rewrite: after("await switchover within 15s", registers([2]uint32{virtRTC + 0x4, 5})),
	})
	require.Equal(t, record.Pass, verdictOf(t, result, "pulse").Outcome, explain(result))
}

// TestWhatWaitsInAUARTIsInTheDevices: of a guest that has arrived, one of what its UART has
// received is read, or all.
func TestWhatWaitsInAUARTIsInTheDevices(t *testing.T) {
	t.Parallel()
	long(t)
	const data, lineControl = virtUART, virtUART + 0x2c
	for _, c := range []struct {
		what  string
		fault func(ctx context.Context, p *migration.Pair) error
		found string
	}{
		{"one taken", func(ctx context.Context, p *migration.Pair) error {
			_, err := p.Destination.QTest().Readl(ctx, data)
			return err
		}, "0x400"},
		{"the FIFO off", registers([2]uint32{lineControl, 0}), "0x00"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			result := judged(t, scenario(t, "precopy/unix/plain"), migration.Options{
				Arch: "aarch64", Source: seesHotWrites(t, "aarch64"), Artifacts: t.TempDir(), Rewrite: after("await switchover within 15s", c.fault),
			})
			require.Equal(t, record.Fail, result.Outcome, explain(result))
			require.Equal(t, "what has been received by the UART and not been read: 0x400400 was written on the source, and the destination has "+c.found, verdictOf(t, result, "devices").Witness)
		})
	}
}

package migration_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
)

// Numbers of ppc64's registers in GDB's protocol.
const (
	gdbPPCPC  = 64
	gdbPPCMSR = 65
)

// Where pseries' guest program has its table, and RAM that it does not use.
const (
	ppcTable    = 0x90000
	ppcSnippets = 0x4000 // a place for each vCPU
	ppcKept     = 0x7000
	ppcRTAS     = 0xff000
)

// Instructions of ppc64, big-endian words, of which r0 is the program's to lose.
type ppc []uint32

// li0 is r0 = n, and spr writes r0 to a special register.
func li0(n uint16) uint32 { return 0x38000000 | uint32(n) }
func spr(n uint32) uint32 { return 0x7c0003a6 | n&31<<16 | n>>5<<11 }

// hcall makes a hypercall, the code before it setting up r3 to r7, which are kept.
func hcall(cpu int, code ppc) (all ppc) {
	for r := uint32(3); r <= 7; r++ {
		all = append(all, 0xf8000000|r<<21|uint32(ppcKept+cpu*0x40)+8*r) // std
	}
	all = append(all, code...)
	for r := uint32(3); r <= 7; r++ {
		all = append(all, 0xe8000000|r<<21|uint32(ppcKept+cpu*0x40)+8*r) // ld
	}
	return all
}

// executePPC makes a vCPU of the destination execute instructions, and then go on where it was.
// The first is taken where it counts, any other where interrupts are on.
func executePPC(cpu int, code ppc) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		begin := uint64(bytes.Index(p.Program.Firmware, binary.BigEndian.AppendUint32(nil, 0x88830000))) // the loop's lbz
		done := false
		for range 100 {
			err := debug(ctx, p.Destination, func(gdb *gdbSession) error {
				if err := gdb.choose(cpu); err != nil {
					return err
				}
				pc, err := gdb.read(gdbPPCPC, 8)
				if err != nil {
					return err
				}
				msr, err := gdb.read(gdbPPCMSR, 8)
				if err != nil {
					return err
				}
				pc, msr = bits.ReverseBytes64(pc), bits.ReverseBytes64(msr)
				if msr&0x8000 == 0 || cpu == 0 && (pc < begin || pc >= begin+20) {
					return nil
				}
				done = true
				at := uint64(ppcSnippets + cpu*0x400)
				all := append(slices.Clone(code), 0x48000000|uint32(pc-at-4*uint64(len(code)))&0x3fffffc) // b
				var text []byte
				for _, instruction := range all {
					text = binary.BigEndian.AppendUint32(text, instruction)
				}
				if err := p.Destination.QTest().WriteMemory(ctx, at, text); err != nil {
					return err
				}
				return gdb.write(gdbPPCPC, bits.ReverseBytes64(at), 8)
			})
			if err != nil || done {
				return err
			}
		}
		return errors.New("the vCPU never was where it can be made to execute something")
	}
}

// everyPPC writes another instruction over each of the guest program that is such a one.
func everyPPC(was, is uint32) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		found := false
		for at := 0; at+4 <= len(p.Program.Firmware); at += 4 {
			if binary.BigEndian.Uint32(p.Program.Firmware[at:]) != was {
				continue
			}
			found = true
			if err := p.Destination.QTest().Writel(ctx, uint64(at), is); err != nil {
				return err
			}
		}
		if !found {
			return fmt.Errorf("the guest program has no instruction %#x", was)
		}
		return nil
	}
}

// rtasCall has the destination's RTAS do something, whose result is not looked at.
func rtasCall(name string, args ...uint32) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		q := p.Destination.QTest()
		for i, a := range args {
			if err := q.Writel(ctx, ppcRTAS+4*uint64(i), a); err != nil {
				return err
			}
		}
		_, err := q.RTAS(ctx, name, len(args), ppcRTAS, 1, ppcRTAS+0x100)
		return err
	}
}

// typed sends text to the destination's console.
func typed(text string) func(ctx context.Context, p *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error { return p.Destination.Console().Send(ctx, text) }
}

// everyRegister changes what a vCPU has values in, but for those of floating point.
var everyRegister = ppc{
	li0(7), spr(1), 0x38400007, 0x39a00007, 0x3be00007, 0x7c038120, // XER, r2, r13, r31, CR2 to CR4
	0x7c0000a6, 0x68000002, 0x7c000164, // MSR's RI
	li0(7), spr(272), spr(273), spr(274), spr(275), spr(256), spr(19), spr(29), spr(61), spr(815),
	spr(804), spr(805), spr(806), spr(787), spr(796), li0(8), spr(18), spr(17), li0(0x18e), spr(153),
}

// everyVector changes how floating point is rounded, f15, vs20, v20 and VSCR.
var everyVector = ppc{li0(2), 0x7c000166, 0xfdfe058e, 0x7de00166, 0x7e800166, 0x7e800167, 0x10001644}

// deaf lets a vCPU do nothing any more, with interrupts off.
var deaf = ppc{0x7c0000a6, 0x60008000, 0x68008000, 0x7c000164, 0x48000000}

// noVPA has the hypervisor no longer count.
func noVPA(cpu int) ppc {
	return hcall(cpu, ppc{0x38800000, 0x6084a000, 0x788407c6, 0x38a00000 | uint32(cpu), 0x386000dc, 0x44000022})
}

// wakesCededVCPUs skips the test where no QEMU of the fleet's wakes a vCPU that has moved.
func wakesCededVCPUs(t *testing.T) {
	t.Helper()
	fleet := qemutest.Fleet(t, "ppc64")
	newest := fleet[len(fleet)-1]
	if slices.Contains([]string{"7.2", "10.0"}, qemutest.Version(t, newest)) {
		t.Skip(`QEMUs up to 10.0 don't wake a vCPU of such a guest (FOUND.md): "drover fleet fetch --arch ppc64 11.1" gets one that does`)
	}
}

// TestWhatAPPC64GuestLostIsInItsPulse takes a QEMU on which vCPUs that have ceded are woken.
func TestWhatAPPC64GuestLostIsInItsPulse(t *testing.T) {
	t.Parallel()
	long(t)
	wakesCededVCPUs(t)
	const nop = 0x60000000
	anotherPage := ppc{
		0x38600004, 0x38800000, 0x38a00900, 0x44000022, // H_REMOVE
		0x38600008, 0x38800080, 0x788407c6, 0x38a00900, 0x3cc00012, 0x60c60001, 0x3ce00009, 0x60e70012, 0x44000022, // H_ENTER
	}
	notTranslated := ppc{0x38800000, 0x38a00003, 0x38c00000, 0x38e00000, 0x3860031c, 0x44000022} // H_SET_MODE
	readTerminal := ppc{0x38800000, 0x38600054, 0x44000022}                                      // H_GET_TERM_CHAR
	nowhere := ppc{
		0x38600004, 0x38800000, 0x38a00900, 0x44000022, // H_REMOVE
		0x3c800012, 0x3ca06800, 0x60a50014, 0x7c802b24, // slbmte, for another segment
	}
	var others []tampering
	for n := 1; n < 4; n++ {
		others = append(others, tampering{"a register of another vCPU", executePPC(n, ppc{0x3bc00007}), fmt.Sprintf("vCPU %d's state changed on the destination: r30 (expected %#x, found 0x7)", n, ppcTable+(n+1)*0x1000+18)})
	}
	requireNoticedInPulse(t, "ppc64", "pulse/smp2", [][]tampering{{
		{"a general register", executePPC(0, ppc{0x3bc00007}), "vCPU 0's state changed on the destination: r30 (expected 0x91012, found 0x7)"},
	}, others, {
		{
			"all others", executePPC(0, everyRegister),
			"XER, r2, r13, r30 (expected 0x91012, found 0x7), r31, CR, MSR, SPRG0, SPRG1, SPRG2, SPRG3, VRSAVE, DAR, DSISR, DSCR, AMR, IAMR, FSCR, TAR, EBBHR, EBBRR, BESCR, PMC1, SIAR",
		},
		{"those of floating point", executePPC(0, everyVector), "SIAR, the rounding of floating point, FPSCR, f15, vs20, v20, VSCR"},
	}, {
		{"the mode of interrupts", executePPC(0, hcall(0, notTranslated)), "interrupts and translation changed on the destination: how an interrupt comes while addresses are translated (AIL) (expected 0x30, found 0x0)"},
	}, {
		{"a byte more for the terminal", typed("!"), "what waits in the terminal's queue changed on the destination: how many bytes (expected 0xc, found 0xd)"},
	}, {
		{"nothing for the terminal", executePPC(0, hcall(0, readTerminal)), "the terminal's queue, which is read when it is asked for, has stopped on the destination: "},
		{"which has no text then", nothing, "how many bytes (expected 0xc, found 0xd), the first eight, the others"},
	}, {
		{"the priority of the interrupt in service", executePPC(0, hcall(0, ppc{0x38600068, 0x38800003, 0x44000022})), "interrupts and translation changed on the destination: the priority of the interrupt in service (CPPR)"},
	}, {
		{"that of the one that waits", executePPC(0, hcall(0, ppc{0x3860006c, 0x38800000, 0x38a00009, 0x44000022})), "that of the one that waits (MFRR)"},
		{"the terminal's", rtasCall("ibm,set-xive", 0x1100, 0, 3), "the terminal's interrupt's priority"},
		{"with which it does not wait", nothing, "the others, the terminal's interrupt, which waits with them"},
	}, {
		{"the segment", executePPC(0, hcall(0, ppc{0x3c800012, 0x60840400, 0x3ca05800, 0x60a50014, 0x7c802b24})), "what it stands for"},
	}, {
		{"another page", executePPC(0, hcall(0, anotherPage)), "memory seen through both"},
	}, {
		{"a time base that goes back", poke(ppcTable+0x80, 0xff), "the time base went back"},
		{"another", poke(ppcTable+0x88, 0xff), "the virtual time base went back"},
		{"a clock that goes back", poke(ppcTable+0x90, 0x7f), "the real-time clock went back"},
	}, {
		{"a decrementer far away", executePPC(0, ppc{li0(1), 0x780045c6, spr(22)}), "vCPU 0's decrementer has stopped on the destination: "},
		{"a time base that stands", everyPPC(0x7c6c42a6, 0xe86e0080), "the time base has stopped on the destination: "},
		{"another", everyPPC(0x7c71d2a6, 0xe86e0088), "the virtual time base (VTB) has stopped on the destination: "},
		{"a clock that stands", everyPPC(0x90ae0008, nop), "the real-time clock has stopped on the destination: "},
	}, {
		{"no interrupt that waits", everyPPC(0x38a00007, 0x38a000ff), "the interrupt that waits until the one in service is over has stopped on the destination: "},
	}, {
		{"no VPA", executePPC(0, noVPA(0)), "what the hypervisor counts of vCPU 0 (VPA) has stopped on the destination: "},
		{"nor another", executePPC(1, noVPA(1)), "what the hypervisor counts of vCPU 1 (VPA) has stopped on the destination: "},
		{"nor another", executePPC(2, noVPA(2)), "what the hypervisor counts of vCPU 2 (VPA) has stopped on the destination: "},
		{"nor another", executePPC(3, noVPA(3)), "what the hypervisor counts of vCPU 3 (VPA) has stopped on the destination: "},
	}, {
		{"vCPU 1 deaf", executePPC(1, deaf), "the IPI that wakes vCPU 1, which is halted, has stopped on the destination: "},
		{"its decrementer, which nobody serves then", nothing, "vCPU 1's decrementer has stopped on the destination: "},
		{"vCPU 2 deaf", executePPC(2, deaf), "the loop of vCPU 2 has stopped on the destination: "},
		{"its decrementer", nothing, "vCPU 2's decrementer has stopped on the destination: "},
		{"vCPU 3 deaf", executePPC(3, deaf), "the H_PROD that wakes vCPU 3, which is halted, has stopped on the destination: "},
		{"its decrementer", nothing, "vCPU 3's decrementer has stopped on the destination: "},
	}, {
		{"a vCPU that never started", poke(ppcTable+0x17, 1), "the vCPUs that the guest has started are 1 on the destination, expected 4"},
		{"a segment that is not there", executePPC(0, hcall(0, nowhere)), "the segment in the SLB"},
		{"nor what it stands for", nothing, "the entry of the hash page table"},
		{"an exception", nothing, "unexpected exceptions on the destination: 1, expected 0"},
		{"which is the end", nothing, "the guest's main loop has stopped on the destination: "},
	}}, "-smp", "4")
}

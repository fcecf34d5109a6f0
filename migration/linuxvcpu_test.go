package migration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/drover-vm/drover/migration"
)

func vCPUTamperings() []linuxTampering {
	return []linuxTampering{
		{what: "registers of a thread that holds them", worker: "cpu", fault: inHold(map[int]int{8: 8, gdbFCW: 4, gdbMXCSR: 4, gdbXMM3: 16, gdbGSBase: 8, gdbST0: 10}), complaints: []string{
			`a register of vCPU [01] changed in the [0-9.]+ ms in which a thread held it: R8: expected 0x[0-9a-f]{16}, found 0x0000000000000040 `,
			`: the x87 control word: expected 0x0[0-9a-f]7f, found 0x0040 `,
			`: MXCSR: expected 0x0000[0-9a-f]{4}, found 0x00000040 `,
			`: XMM3: expected 0x[0-9a-f]{32}, found 0x00000000000000000000000000000040 `,
			`: the base of GS: expected 0x[0-9a-f]{16}, found 0x0000000000000040 `,
			`: ST[0-7]: expected 0x[0-9a-f]{20}, found 0x00000000000000000040 `,
		}},
	}
}

// Numbers of registers in QEMU's gdb stub for x86_64.
const gdbGSBase, gdbST0 = 25, 33

// spinning is what a thread executes that holds registers: lea 1(%rax), %rax; lea -1(%rcx), %rcx.
const spinning = "488d4001" + "488d49ff"

// inHold sets registers, of so many bytes each, to 0x40 while a thread of the guest holds them
// and nobody but it uses them.
func inHold(sizes map[int]int) func(ctx context.Context, p *migration.Pair) error {
	set := func(gdb *gdbSession, vcpu int) (held bool, err error) {
		if err := gdb.ask(fmt.Sprintf("Hg%x", vcpu+1)); err != nil {
			return false, err
		}
		at, err := gdb.read(gdbIP, 8)
		if err != nil || at>>47 != 0 { // in the kernel
			return false, err
		}
		code, err := gdb.reply(fmt.Sprintf("m%x,8", at))
		if err != nil || code != spinning {
			return false, err
		}
		for number, size := range sizes {
			value := "40" + strings.Repeat("00", size-1)
			err = errors.Join(err, gdb.ask(fmt.Sprintf("P%x=%s", number, value)))
		}
		return true, err
	}
	return func(ctx context.Context, p *migration.Pair) error {
		return migration.Poll(ctx, "a thread that holds registers", func() (held bool, err error) {
			return held, debug(ctx, p.Destination, func(gdb *gdbSession) error {
				for vcpu := 0; vcpu < 2 && !held && err == nil; vcpu++ {
					held, err = set(gdb, vcpu)
				}
				return err
			})
		})
	}
}

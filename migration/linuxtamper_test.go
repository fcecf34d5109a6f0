package migration_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest"

	"github.com/drover-vm/drover/migration"
)

// A linuxTampering is done to a Linux guest that has arrived and runs, and what one of its
// workers then complains of, as regular expressions.
type linuxTampering struct {
	what   string
	worker string
	fault  func(ctx context.Context, p *migration.Pair) error
	wants  []string
}

// TestWorkersNoticeWhatTheirGuestLost tampers with one guest that has arrived, again and again,
// and demands that the guest itself notices each.
func TestWorkersNoticeWhatTheirGuestLost(t *testing.T) {
	t.Parallel()
	options, done := linuxOptions(t), []string(nil)
	all := linuxTamperings()
	options.Args = []string{"-cpu", "max"} // else the kernel puts back a base that it did not set itself
	options.Rewrite = func(steps migration.Steps) migration.Steps {
		at := slices.IndexFunc(steps, func(s migration.Step) bool { return s.Name == "await switchover within 15s" })
		require.Positive(t, at)
		steps = slices.Clone(steps)[:at+1]
		for _, c := range all {
			steps = append(steps, migration.Step{Name: c.what, Timeout: 3 * migration.StepTimeout, Do: func(ctx context.Context, p *migration.Pair) error {
				err := complainedOf(ctx, p, c)
				if err == nil {
					done = append(done, c.what)
				}
				return err
			}})
		}
		return append(steps, migration.Step{Name: "end", Do: func(context.Context, *migration.Pair) error { return errTampered }})
	}
	s := scenario(t, "linux/smp/2")
	linux := *s.Guest.Linux
	linux.Options = []string{"cpu=90", "memory-rate=1000"} // so that there is mostly something in the registers
	s.Guest.Linux = &linux
	result := run(t, s, options)
	require.Len(t, done, len(all), "%s\n%s", result.Reason, explain(result))
	require.Contains(t, result.Reason, errTampered.Error())
}

// complainedOf does what a tampering is, and demands that the guest complains of it.
func complainedOf(ctx context.Context, p *migration.Pair, c linuxTampering) error {
	if err := c.fault(ctx, p); err != nil {
		return fmt.Errorf("%s: %w", c.what, err)
	}
	unseen := ""
	err := p.HearUntil(ctx, p.Destination, "the worker "+c.worker+" to complain", func(g *guest.Session) bool {
		all := strings.Join(g.Workers()[c.worker].Complaints, "\n")
		for _, unseen = range c.wants {
			if !regexp.MustCompile(unseen).MatchString(all) {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("%w: %q is not in: %s", err, unseen, strings.Join(p.Linux().Workers()[c.worker].Complaints, "\n"))
	}
	return nil
}

func linuxTamperings() []linuxTampering {
	return []linuxTampering{
		{"registers of a thread that holds them", "cpu", inHold(map[int]int{8: 8, gdbFCW: 4, gdbMXCSR: 4, gdbXMM3: 16, gdbGSBase: 8, gdbST0: 10}), []string{
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

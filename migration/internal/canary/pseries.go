package canary

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/protocol/qapi"
)

// ppc64 are the canaries of a pseries machine, whose devices are reached through its RTAS,
// which QEMU has in itself.
func ppc64() []Canary {
	const (
		offset, stored = 0xc000, 0x1234abcd // in the non-volatile memory
		source         = 0x1001             // of hot-plug events, of which there are none
		server, level  = 0, 5               // vCPU 0; 255 after a reset
		year           = 2041
	)
	return []Canary{
		{
			Device: "a word of the non-volatile memory", Value: stored, fromXICSOn: true,
			put: func(ctx context.Context, vm VM) error {
				return withRTAS(ctx, vm, func(r *rtas) error {
					if err := r.vm.QTest().Writel(ctx, buffer, stored); err != nil {
						return err
					}
					_, err := r.call(ctx, "nvram-store", 2, offset, buffer, 4)
					return err
				})
			},
			get: func(ctx context.Context, vm VM) (found uint32, err error) {
				err = withRTAS(ctx, vm, func(r *rtas) error {
					if _, err := r.call(ctx, "nvram-fetch", 2, offset, buffer, 4); err != nil {
						return err
					}
					found, err = r.vm.QTest().Readl(ctx, buffer)
					return err
				})
				return found, err
			},
		},
		// A guest that has asked for XIVE has no such RTAS.
		ofXICS(viaRTAS("the interrupt controller's priority of source 0x1001", level, 2,
			"ibm,set-xive", []uint32{source, server, level}, "ibm,get-xive", 3, source)),
		viaRTAS("the clock's year", year, 1,
			"set-time-of-day", []uint32{year, 6, 15, 12, 0, 0, 0}, "get-time-of-day", 8),
	}
}

// A refusedError says that the machine's RTAS did not do what it was called for.
type refusedError struct {
	answer uint32
	name   string
}

func (e refusedError) Error() string {
	return fmt.Sprintf("the machine's RTAS answers %d to %s", int32(e.answer), e.name)
}

// ofXICS is a canary that a machine has not whose RTAS does nothing for it.
func ofXICS(c Canary) Canary {
	c.fromXICSOn = true
	put, get := c.put, c.get
	refused := func(err error) bool {
		_, is := errors.AsType[refusedError](err)
		return is
	}
	c.put = func(ctx context.Context, vm VM) error {
		if err := put(ctx, vm); !refused(err) {
			return err
		}
		return nil
	}
	c.get = func(ctx context.Context, vm VM) (uint32, error) {
		found, err := get(ctx, vm)
		if refused(err) {
			return 0, nil
		}
		return found, err
	}
	return c
}

// viaRTAS is a canary that one call sets, and another gets as the result of that index.
func viaRTAS(device string, value uint32, index int, set string, args []uint32, get string, results int, of ...uint32) Canary {
	return Canary{
		Device: device, Value: value,
		put: func(ctx context.Context, vm VM) error {
			return withRTAS(ctx, vm, func(r *rtas) error {
				_, err := r.call(ctx, set, 1, args...)
				return err
			})
		},
		get: func(ctx context.Context, vm VM) (found uint32, err error) {
			err = withRTAS(ctx, vm, func(r *rtas) error {
				all, err := r.call(ctx, get, results, of...)
				if err == nil {
					found = all[index]
				}
				return err
			})
			return found, err
		},
	}
}

// Reachable returns those of a target's canaries that can be written and read in a machine like
// this. One with ic-mode=xive has no RTAS of XICS's, and QEMU up to 11.1 crashes where qtest calls
// that, or what is behind it in QEMU's list.
func Reachable(ctx context.Context, arch string, vm VM, all []Canary) ([]Canary, error) {
	if arch != "ppc64" {
		return all, nil
	}
	var mode string
	if err := qapi.QOMGet(ctx, vm.QMP(), "/machine", "ic-mode", &mode); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(c Canary) bool { return c.fromXICSOn && mode == "xive" }), nil
}

// Where a call's arguments, its results and what it is to move are in the guest's RAM: in
// the last page below the workload.
const (
	arguments = 0xff000
	results   = arguments + 0x100
	buffer    = arguments + 0x200
	borrowed  = 0x204
)

// An rtas makes calls.
type rtas struct{ vm VM }

// withRTAS lends the guest's RAM to calls, and puts back what was there.
func withRTAS(ctx context.Context, vm VM, do func(r *rtas) error) error {
	before := make([]byte, borrowed)
	if err := vm.QTest().ReadMemory(ctx, arguments, before); err != nil {
		return err
	}
	if err := do(&rtas{vm}); err != nil {
		return err
	}
	return vm.QTest().WriteMemory(ctx, arguments, before)
}

// call makes one, with so many results, of which the first says whether it went well.
func (r *rtas) call(ctx context.Context, name string, count int, args ...uint32) ([]uint32, error) {
	q := r.vm.QTest()
	for i, a := range args {
		if err := q.Writel(ctx, arguments+4*uint64(i), a); err != nil {
			return nil, err
		}
	}
	if _, err := q.RTAS(ctx, name, len(args), arguments, count, results); err != nil {
		return nil, err
	}
	all := make([]uint32, count)
	for i := range all {
		var err error
		if all[i], err = q.Readl(ctx, results+4*uint64(i)); err != nil {
			return nil, err
		}
	}
	if all[0] != 0 {
		return nil, refusedError{all[0], name}
	}
	return all, nil
}

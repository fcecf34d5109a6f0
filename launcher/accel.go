package launcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher/probe"
)

// AccelAuto, as Config.Accel, lets ChooseAccel choose.
const AccelAuto = "auto"

const (
	tcg = "tcg"
	kvm = "kvm"
)

// A Choice is an accelerator, and why it is this one.
type Choice struct {
	Accel    string        `json:"accel"`              // "tcg" or "kvm", as -accel takes it
	Why      string        `json:"why"`                // one sentence, no full stop
	Measured []Measurement `json:"measured,omitempty"` // what was measured for it, nil where there was nothing to compare
	When     time.Time     `json:"when,omitzero"`      // of the measurement
}

// String returns the choice as a line: "tcg: there is no /dev/kvm".
func (c Choice) String() string { return c.Accel + ": " + c.Why }

// ChooseAccel says which accelerator a guest for arch gets further with, under
// the QEMU at binary, on this host. That /dev/kvm opens doesn't decide: where it
// is nested, KVM can be 40 times slower than TCG. So both boot the same small
// guest, and the one under which it does more work in a second is chosen; KVM is
// given no more than a few times what TCG took.
//
// That takes about a second where KVM is good, four where it is not, and is done
// once: the answer is kept in the user's cache folder ($DROVER_CACHE, else ~/.cache)
// until the host boots again, or its kernel or the binary changes. A caller that asks
// while another process measures waits for its answer. Where /dev/kvm doesn't
// open, or the binary has one accelerator only, nothing is measured.
//
// The error says that the context ended, that there is no such binary, or that
// no guest ran.
func ChooseAccel(ctx context.Context, binary, arch string) (Choice, error) {
	path, err := lookPath(binary)
	if err != nil {
		return Choice{}, err
	}
	choice, err := chooser{
		open:    openKVM,
		inspect: func(ctx context.Context) (probe.Info, error) { return probe.Inspect(ctx, path) },
		measure: func(ctx context.Context, accel string, limit time.Duration) (Measurement, error) {
			return measure(ctx, path, arch, accel, limit)
		},
		kept: accelCacheOf(path, arch),
	}.choose(ctx, arch)
	if err != nil {
		return Choice{}, fmt.Errorf("launcher: choosing an accelerator for %s: %w", path, err)
	}
	return choice, nil
}

// CommonAccel returns the accelerator for a migration between QEMUs, which have
// to have the same one: that of ChooseAccel where it is the same for each, and
// else TCG.
func CommonAccel(ctx context.Context, arch string, binaries ...string) (Choice, error) {
	var common Choice
	for i, binary := range slices.Compact(slices.Sorted(slices.Values(binaries))) {
		choice, err := ChooseAccel(ctx, binary, arch)
		if err != nil {
			return Choice{}, err
		}
		if i == 0 || common.Accel == kvm && choice.Accel == tcg {
			common = choice
		}
	}
	return common, nil
}

// A chooser is what a choice depends on.
type chooser struct {
	open    func() error // of /dev/kvm
	inspect func(context.Context) (probe.Info, error)
	measure func(ctx context.Context, accel string, limit time.Duration) (Measurement, error)
	kept    accelCache
}

func (c chooser) choose(ctx context.Context, arch string) (Choice, error) {
	if err := c.open(); err != nil {
		return Choice{Accel: tcg, Why: err.Error()}, nil
	}
	if _, err := fixtures.For(arch); err != nil {
		return Choice{Accel: tcg, Why: "there is no guest program for " + arch + " to measure KVM with"}, nil
	}
	info, err := c.inspect(ctx)
	if err != nil {
		return Choice{}, err
	}
	if len(info.Accelerators) > 0 { // where it did not say, starting it will
		switch {
		case !info.HasAccelerator(kvm):
			return Choice{Accel: tcg, Why: "this QEMU was built without KVM for " + arch}, nil
		case !info.HasAccelerator(tcg):
			return Choice{Accel: kvm, Why: "this QEMU was built without TCG"}, nil
		}
	}
	c.kept.key.Version = info.Version.String()
	return c.kept.once(ctx, c.compare)
}

// compare measures both.
func (c chooser) compare(ctx context.Context) (Choice, error) {
	under, err := c.measure(ctx, tcg, tcgLimit)
	if err != nil {
		return Choice{}, err
	}
	other, err := c.measure(ctx, kvm, kvmLimit(under))
	if err != nil {
		return Choice{}, err
	}
	choice, err := decide(under, other)
	choice.When = time.Now().UTC().Round(time.Second)
	return choice, err
}

// openKVM says why there is no KVM to measure.
func openKVM() error {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no /dev/kvm")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("this user may not open /dev/kvm (sudo usermod -aG kvm USER lets it)")
	}
	return fmt.Errorf("/dev/kvm does not open: %w", err)
}

// chosen returns the config with a real accelerator in place of auto.
func (c Config) chosen(ctx context.Context) (Config, error) {
	if c.Accel != AccelAuto {
		if c.choice.Accel == "" {
			c.choice = Choice{Accel: c.Accel, Why: "it was asked for"}
		}
		return c, nil
	}
	var err error
	c.choice, err = ChooseAccel(ctx, c.Binary, c.Arch)
	c.Accel = c.choice.Accel
	return c, err
}

// Accel returns the guest's accelerator, and why it is this one.
func (v *VM) Accel() Choice { return v.config.choice }

package launcher

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/qmp"
)

func measured(accel string, boot time.Duration, rate int) Measurement {
	return Measurement{Accel: accel, Boot: boot, Rounds: rate, Took: time.Second, Limit: 3 * time.Second}
}

func TestDecisionFollowsTheMeasurements(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		what       string
		under, kvm Measurement
		accel, why string
	}{
		{"hardware's help", measured(tcg, 180*ms, 260), measured(kvm, 150*ms, 9000), kvm, "9000 rounds a second, under TCG it booted in 0.2 s"},
		{"as fast", measured(tcg, 180*ms, 260), measured(kvm, 150*ms, 260), kvm, "260 rounds"},
		{"boots slowly but works", measured(tcg, 200*ms, 260), measured(kvm, 900*ms, 2600), kvm, "2600 rounds"},
		{"boots, crawls", measured(tcg, 180*ms, 260), measured(kvm, 2*time.Second, 6), tcg, "6 rounds a second: it is probably nested"},
		{"boots, no round", measured(tcg, 180*ms, 260), Measurement{Accel: kvm, Boot: time.Second, Limit: 2 * time.Second}, tcg, "not through its first rounds after 2.0 s"},
		{"does not boot in time", measured(tcg, 180*ms, 260), Measurement{Accel: kvm, Limit: 2 * time.Second}, tcg, "had not booted after 2.0 s"},
		{"does not start", measured(tcg, 180*ms, 260), Measurement{Accel: kvm, Problem: "no room"}, tcg, "/dev/kvm opens, but under KVM no guest ran: no room"},
		{"TCG does not start", Measurement{Accel: tcg, Problem: "left out"}, measured(kvm, 150*ms, 9000), kvm, "under TCG no guest ran: left out"},
		{"TCG does not boot in time", Measurement{Accel: tcg, Limit: tcgLimit}, measured(kvm, 7*time.Second, 6), kvm, "had not booted after 20.0 s"},
	} {
		t.Run(c.what, func(t *testing.T) {
			choice, err := decide(c.under, c.kvm)
			require.NoError(t, err)
			require.Equal(t, c.accel, choice.Accel, choice.Why)
			require.Contains(t, choice.Why, c.why)
			require.Equal(t, []Measurement{c.under, c.kvm}, choice.Measured)
			require.True(t, strings.HasPrefix(choice.String(), c.accel+": "))
		})
	}
	_, err := decide(Measurement{Accel: tcg, Problem: "no firmware"}, Measurement{Accel: kvm, Problem: "no room"})
	require.ErrorContains(t, err, "no firmware")
	require.ErrorContains(t, err, "no room")
}

func TestKVMGetsNoMoreThanAFewTimesWhatTCGTook(t *testing.T) {
	require.Equal(t, 2*time.Second, kvmLimit(measured(tcg, 0, 100).took(200*time.Millisecond)))
	require.Equal(t, 6*time.Second, kvmLimit(measured(tcg, time.Second, 100)))
	require.Equal(t, tcgLimit, kvmLimit(measured(tcg, 19*time.Second, 100)))
}

func (m Measurement) took(d time.Duration) Measurement { m.Took = d; return m }

// pretended is a chooser on a host where KVM is good.
func pretended(t *testing.T) chooser {
	return chooser{
		open: func() error { return nil },
		inspect: func(context.Context) (probe.Info, error) {
			return probe.Info{Accelerators: []string{"tcg", "kvm"}}, nil
		},
		measure: func(_ context.Context, accel string, limit time.Duration) (Measurement, error) {
			rate := map[string]int{tcg: 260, kvm: 9000}[accel]
			return Measurement{Accel: accel, Boot: time.Second, Rounds: rate, Took: time.Second, Limit: limit}, nil
		},
		kept: accelCache{file: filepath.Join(t.TempDir(), "accel", "kept.json"), key: accelKey{Format: accelFormat, Boot: "first"}},
	}
}

func TestNothingIsMeasuredWhereThereIsNothingToCompare(t *testing.T) {
	has := func(names ...string) func(context.Context) (probe.Info, error) {
		return func(context.Context) (probe.Info, error) { return probe.Info{Accelerators: names}, nil }
	}
	for _, c := range []struct {
		what, arch, accel, why string
		change                 func(*chooser)
	}{
		{"no device", "x86_64", tcg, "there is no /dev/kvm", func(c *chooser) {
			c.open = func() error { return errors.New("there is no /dev/kvm") }
			c.inspect = nil // not even asked
		}},
		{"no KVM in it", "x86_64", tcg, "without KVM", func(c *chooser) { c.inspect = has("tcg", "xen") }},
		{"no TCG in it", "x86_64", kvm, "without TCG", func(c *chooser) { c.inspect = has("kvm") }},
		{"no guest", "sparc64", tcg, "no guest program for sparc64", func(*chooser) {}},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := pretended(t)
			p.measure = nil // a call would panic
			c.change(&p)
			choice, err := p.choose(t.Context(), c.arch)
			require.NoError(t, err)
			require.Equal(t, c.accel, choice.Accel)
			require.Contains(t, choice.Why, c.why)
			require.Nil(t, choice.Measured)
			require.NoFileExists(t, p.kept.file)
		})
	}
}

func TestChoiceIsMeasuredOnceAndKept(t *testing.T) {
	p := pretended(t)
	first, err := p.choose(t.Context(), "x86_64")
	require.NoError(t, err)
	require.Equal(t, kvm, first.Accel)
	require.Len(t, first.Measured, 2)
	require.Equal(t, 6*time.Second, first.Measured[1].Limit, "KVM's time is a multiple of TCG's")
	require.WithinDuration(t, time.Now(), first.When, time.Minute)

	again := p
	again.measure = nil // a call would panic
	second, err := again.choose(t.Context(), "x86_64")
	require.NoError(t, err)
	require.Equal(t, first, second)
	leftover, err := filepath.Glob(filepath.Join(filepath.Dir(p.kept.file), ".*"))
	require.NoError(t, err)
	require.Empty(t, leftover)
}

func TestKeptChoiceThatDoesNotHoldIsMeasuredAgain(t *testing.T) {
	for what, spoil := range map[string]func(t *testing.T, p *chooser){
		"another boot":    func(t *testing.T, p *chooser) { p.kept.key.Boot = "second" },
		"another kernel":  func(t *testing.T, p *chooser) { p.kept.key.Kernel = "7.0" },
		"another binary":  func(t *testing.T, p *chooser) { p.kept.key.Size++ },
		"touched":         func(t *testing.T, p *chooser) { p.kept.key.Changed = time.Now().UTC() },
		"another version": func(t *testing.T, p *chooser) { p.inspect = versioned(12) },
		"half a file": func(t *testing.T, p *chooser) {
			require.NoError(t, os.Truncate(p.kept.file, 20))
		},
		"another accelerator": func(t *testing.T, p *chooser) {
			text, err := os.ReadFile(p.kept.file)
			require.NoError(t, err)
			text = []byte(strings.Replace(string(text), `"choice":{"accel":"kvm"`, `"choice":{"accel":"-x"`, 1))
			require.NoError(t, os.WriteFile(p.kept.file, text, 0o600))
		},
		"everybody may write it": func(t *testing.T, p *chooser) {
			require.NoError(t, os.Chmod(p.kept.file, 0o666))
		},
		"a link": func(t *testing.T, p *chooser) {
			require.NoError(t, os.Rename(p.kept.file, p.kept.file+"-elsewhere"))
			require.NoError(t, os.Symlink(p.kept.file+"-elsewhere", p.kept.file))
		},
		"a folder": func(t *testing.T, p *chooser) {
			require.NoError(t, os.Remove(p.kept.file))
			require.NoError(t, os.Mkdir(p.kept.file, 0o700))
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := pretended(t)
			_, err := p.choose(t.Context(), "x86_64")
			require.NoError(t, err)
			spoil(t, &p)
			measure, times := p.measure, 0
			p.measure = func(ctx context.Context, accel string, limit time.Duration) (Measurement, error) {
				times++
				return measure(ctx, accel, limit)
			}
			choice, err := p.choose(t.Context(), "x86_64")
			require.NoError(t, err)
			require.Equal(t, kvm, choice.Accel)
			require.Equal(t, 2, times)
		})
	}
}

func versioned(major int) func(context.Context) (probe.Info, error) {
	return func(context.Context) (probe.Info, error) {
		return probe.Info{Version: qmp.Version{Major: major}, Accelerators: []string{"tcg", "kvm"}}, nil
	}
}

func TestThoseWhoAskAtOnceMeasureOnce(t *testing.T) {
	p := pretended(t)
	var times atomic.Int32
	measure := p.measure
	p.measure = func(ctx context.Context, accel string, limit time.Duration) (Measurement, error) {
		times.Add(1)
		return measure(ctx, accel, limit)
	}
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			choice, err := p.choose(t.Context(), "x86_64")
			if err != nil || choice.Accel != kvm {
				t.Errorf("%v, %v", choice, err)
			}
		})
	}
	asking.Wait()
	require.Equal(t, int32(2), times.Load())
}

func TestChoiceThatFailsIsNotKept(t *testing.T) {
	p := pretended(t)
	stopped := errors.New("stopped")
	p.measure = func(context.Context, string, time.Duration) (Measurement, error) { return Measurement{}, stopped }
	_, err := p.choose(t.Context(), "x86_64")
	require.ErrorIs(t, err, stopped)
	require.NoFileExists(t, p.kept.file)
}

func TestWaitForAnothersMeasurementEndsWithTheContext(t *testing.T) {
	p := pretended(t)
	unlock, err := p.kept.lock(t.Context())
	require.NoError(t, err)
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = p.choose(ctx, "x86_64")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestLockThatIsALinkIsNotFollowed(t *testing.T) {
	p := pretended(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(p.kept.file), 0o700))
	target := filepath.Join(t.TempDir(), "made")
	require.NoError(t, os.Symlink(target, p.kept.file+".lock"))
	_, err := p.choose(t.Context(), "x86_64")
	require.NoError(t, err)
	require.NoFileExists(t, target)
}

func TestWithoutAPlaceToKeepItItIsMeasuredAllTheSame(t *testing.T) {
	for _, file := range []string{"", "/proc/nowhere/accel.json"} {
		p := pretended(t)
		p.kept.file = file
		choice, err := p.choose(t.Context(), "x86_64")
		require.NoError(t, err)
		require.Equal(t, kvm, choice.Accel)
	}
}

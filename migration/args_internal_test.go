package migration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/protocol/qmp"
)

func argsOf(t *testing.T, text string) *Args {
	t.Helper()
	words, err := split(text)
	require.Nil(t, err)
	return &Args{words: words}
}

func TestValuesGoAsQEMUTakesThem(t *testing.T) {
	for text, want := range map[string]string{
		"1ms": "1", "2s": "2000", "1m": "60000", "256MiB": "268435456", "1GB/s": "1000000000", "4": "4", "on": "true", "off": "false",
		"true": "true", "cpr-reboot": `"cpr-reboot"`, `"4"`: `"4"`, "0": "0", `"0x10"`: `"0x10"`, "1.5kB": "1500",
	} {
		a := argsOf(t, text)
		require.Equal(t, want, string(a.Value()), text)
		require.Nil(t, a.wrong)
	}
}

func TestValueThatIsNeitherNumberNorWordIsRefused(t *testing.T) {
	for _, text := range []string{"1GBps", "0x10", "1.5"} {
		a := argsOf(t, text)
		a.Value()
		require.ErrorContains(t, a.wrong, "neither a number", text)
	}
}

func TestBoundsAreThoseOfQuantities(t *testing.T) {
	for text, want := range map[string]record.Bounds{
		">= 1000": record.AtLeast(1000), "<= 15MB": record.AtMost(15e6), "= 0": record.Exactly(0), "1kB..15MB": record.Between(1000, 15e6),
		"0.9..1.2": record.Between(0.9, 1.2), ">= 1.5": record.AtLeast(1.5),
	} {
		a := argsOf(t, text)
		require.Equal(t, want, a.Bounds(), text)
		require.Nil(t, a.wrong)
	}
	for _, text := range []string{"", "> 3", "3", "3..", "5..3", ">= x"} {
		a := argsOf(t, text)
		a.Bounds()
		require.NotNil(t, a.wrong, text)
	}
}

func TestArgumentsAreTakenByTheirForm(t *testing.T) {
	a := argsOf(t, "20MB 1.2 300ms 95% again x=1 y")
	require.Equal(t, int64(20e6), a.Size("it"))
	require.InDelta(t, 1.2, a.Float("it"), 0)
	require.Equal(t, 300*time.Millisecond, a.Duration("it"))
	require.Equal(t, int64(95), a.Percent("it"))
	require.True(t, a.Option("again"))
	require.False(t, a.Option("again"))
	require.Equal(t, "1", a.Key("x"))
	require.Empty(t, a.Key("z"))
	require.Equal(t, []string{"y"}, a.Rest())
	require.Nil(t, a.wrong)
	a.Word("more")
	require.ErrorContains(t, a.wrong, "more is missing")
}

func TestReleaseIsInVersionsAtLeastAsNew(t *testing.T) {
	for _, c := range []struct {
		release Release
		version qmp.Version
		in      bool
	}{
		{"8.2", qmp.Version{Major: 8, Minor: 2}, true},
		{"8.2", qmp.Version{Major: 8, Minor: 1, Micro: 9}, false},
		{"8.2", qmp.Version{Major: 10}, true},
		{"10.0", qmp.Version{Major: 9, Minor: 2}, false},
		{"2.11", qmp.Version{Major: 2, Minor: 6}, false},
	} {
		require.Equal(t, c.in, c.release.In(c.version), "%s in %s", c.release, c.version)
	}
	for _, text := range []string{"", "8", "8.", "8.x", "eight", "8.2.1"} {
		_, err := ParseRelease(text)
		require.Error(t, err, text)
	}
}

func TestSlotIsTheRunsOwn(t *testing.T) {
	var one, other Slot[int]
	first, second := &Pair{}, &Pair{}
	*one.Of(first) = 1
	*other.Of(first) = 2
	require.Equal(t, 1, *one.Of(first))
	require.Equal(t, 2, *other.Of(first))
	require.Zero(t, *one.Of(second))
}

package launcher_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

// TestAutoMeasuresWhatThisHostCan holds whatever KVM the host has: the choice
// has to follow from its measurements.
func TestAutoMeasuresWhatThisHostCan(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for a few seconds; run it without -short")
	}
	binary := qemutest.Binary(t, "x86_64") // which may be found in the cache folder
	t.Setenv("DROVER_CACHE", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	choice, err := launcher.ChooseAccel(ctx, binary, "x86_64")
	require.NoError(t, err)
	t.Log(choice)
	require.NotEmpty(t, choice.Why)
	if kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err == nil {
		require.NoError(t, kvm.Close())
		if choice.Measured != nil {
			under, other := choice.Measured[0], choice.Measured[1]
			require.Positive(t, under.Rate(), "TCG works everywhere")
			require.Equal(t, other.Rate() >= under.Rate(), choice.Accel == "kvm")
		}
	} else {
		require.Equal(t, "tcg", choice.Accel)
		require.Nil(t, choice.Measured)
	}

	vm := launch(t, launcher.Config{Binary: binary, Accel: launcher.AccelAuto})
	require.Equal(t, choice, vm.Accel(), "it is kept")
	common, err := launcher.CommonAccel(t.Context(), "x86_64", binary, binary)
	require.NoError(t, err)
	require.Equal(t, choice, common)
}

func TestAcceleratorThatWasAskedForIsTaken(t *testing.T) {
	require.Equal(t, "tcg: nothing else was asked for", launch(t, launcher.Config{}).Accel().String())
	require.Equal(t, "tcg: it was asked for", launch(t, launcher.Config{Accel: "tcg"}).Accel().String())
}

func TestChoosingForNoBinaryIsAnError(t *testing.T) {
	_, err := launcher.ChooseAccel(t.Context(), "/nowhere/qemu", "x86_64")
	require.ErrorContains(t, err, "/nowhere/qemu")
	_, err = launcher.Launch(t.Context(), launcher.Config{Binary: "/nowhere/qemu", Accel: launcher.AccelAuto})
	require.ErrorContains(t, err, "/nowhere/qemu")
}

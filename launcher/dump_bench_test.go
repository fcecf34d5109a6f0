package launcher_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

// BenchmarkMemory copies all of a stopped guest's RAM, in the two ways there are.
func BenchmarkMemory(b *testing.B) {
	const size = 150 << 20
	vm, err := launcher.Launch(b.Context(), launcher.Config{Binary: qemutest.Binary(b, "x86_64"), MemoryMiB: size >> 20})
	require.NoError(b, err)
	defer func() { require.NoError(b, vm.Close()) }()
	require.NoError(b, vm.QMP().Execute(b.Context(), "stop", nil, nil))

	b.Run("dump", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			dump, err := vm.Dump(b.Context(), 0, size)
			require.NoError(b, err)
			require.NoError(b, dump.Close())
		}
	})
	b.Run("qtest", func(b *testing.B) {
		b.SetBytes(size)
		memory := make([]byte, size)
		for b.Loop() {
			require.NoError(b, vm.QTest().ReadMemory(b.Context(), 0, memory))
		}
	})
}

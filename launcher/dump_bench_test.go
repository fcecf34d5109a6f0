package launcher_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

// BenchmarkMemory copies all of a stopped guest's RAM, in the ways there are.
func BenchmarkMemory(b *testing.B) {
	const size = 150 << 20
	vm, err := launcher.Launch(b.Context(), launcher.Config{Binary: qemutest.Binary(b, "x86_64"), MemoryMiB: size >> 20})
	require.NoError(b, err)
	defer func() { require.NoError(b, vm.Close()) }()
	require.NoError(b, vm.QMP().Execute(b.Context(), "stop", nil, nil))

	b.Run("memory", func(b *testing.B) {
		b.SetBytes(size)
		piece := make([]byte, 1<<20)
		for b.Loop() {
			memory, err := vm.Memory(b.Context())
			require.NoError(b, err)
			for at := int64(0); at < size; at += int64(len(piece)) {
				_, err := memory.ReadAt(piece, at)
				require.NoError(b, err)
			}
			require.NoError(b, memory.Close())
		}
	})
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

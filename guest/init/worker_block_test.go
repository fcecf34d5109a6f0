//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

// A memoryDisk is a disk whose bytes can be changed, and that fails where it is to.
type memoryDisk struct {
	mu    sync.Mutex
	bytes [blocks * blockSize]byte
	fails error
}

func (m *memoryDisk) ReadAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return 0, m.fails
	}
	return copy(p, m.bytes[at:]), nil
}

func (m *memoryDisk) WriteAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return 0, m.fails
	}
	return copy(m.bytes[at:], p), nil
}

func (m *memoryDisk) Sync() error { return m.fails }

// aDisk is one whose blocks were all written twice.
func aDisk(t *testing.T, w *Witness) (*disk, *memoryDisk) {
	t.Helper()
	file := &memoryDisk{}
	d, err := newDisk("tested", file)
	require.NoError(t, err)
	t.Cleanup(d.free)
	for range 2 {
		for i := range blocks {
			d.write(i, w)
		}
	}
	return d, file
}

// inBackground does something that the test doesn't end before.
func inBackground(t *testing.T, do func()) {
	t.Helper()
	var all sync.WaitGroup
	all.Go(do)
	t.Cleanup(all.Wait)
}

func TestEveryByteOfABlockThatChangesIsNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	d, file := aDisk(t, w)
	inBackground(t, func() {
		for i := 0; i < blocks; i += blocksRead {
			d.verify(i, w) // nothing is wrong
		}
		for _, at := range []int{0, 17, blockSize + 700, 2*blockSize - 1} {
			file.bytes[at] ^= 0x10
			d.verify(0, w)
			d.verify(0, w) // is not said twice
			d.write(at/blockSize, w)
		}
		was := file.bytes[5*blockSize : 6*blockSize]
		old := make([]byte, blockSize)
		copy(old, was)
		d.write(5, w)
		copy(was, old)
		d.verify(0, w)
		copy(file.bytes[33*blockSize:], file.bytes[40*blockSize:41*blockSize])
		d.verify(32, w)
		copy(file.bytes[48*blockSize:], make([]byte, blockSize))
		d.verify(48, w)
	})
	var texts []string
	for _, l := range heard(t, r, func(all []wire.Line) bool { return len(all) == 7 }) {
		var c wire.Complaint
		require.NoError(t, l.Into(&c))
		texts = append(texts, c.Text)
	}
	const found = ` is wrong: expected 0x[0-9a-f]{2}, found 0x[0-9a-f]{2}; `
	for i, want := range []string{
		`^tested, sector 0: the byte at 0` + found + `1 bytes of block 0, generation 2, are wrong$`,
		`^tested, sector 0: the byte at 17` + found + `1 bytes of block 0, generation 3, are wrong$`,
		`^tested, sector 9: the byte at 4796` + found + `1 bytes of block 1, generation 2, are wrong$`,
		`^tested, sector 15: the byte at 8191` + found + `1 bytes of block 1, generation 3, are wrong$`,
		`^tested, sector 40: .* of block 5, generation 3, are wrong; that is what it had 1 generations before$`,
		`^tested, sector 264: .* of block 33, generation 2, are wrong; that is block 40, generation 2$`,
		`^tested, sector 384: .* of block 48, generation 2, are wrong$`,
	} {
		require.Regexp(t, want, texts[i])
	}
}

func TestWhatADiskFailsToDoIsNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	d, file := aDisk(t, w)
	file.fails = syscall.EIO
	inBackground(t, func() {
		d.verify(16, w)
		d.write(17, w)
		d.flush(w)
	})
	for i, l := range heard(t, r, func(all []wire.Line) bool { return len(all) >= 3 })[:3] {
		var c wire.Complaint
		require.NoError(t, l.Into(&c))
		require.Regexp(t, []string{
			`^tested, sector 128: a read of 65536 bytes failed: expected no error, found input/output error after 0 bytes$`,
			`^tested, sector 136: a write of 4096 bytes failed: `,
			`^tested: a flush failed: expected no error, found input/output error$`,
		}[i], c.Text)
	}
}

func TestARoundOfADiskReadsAllOfIt(t *testing.T) {
	w, r := aWitness(t, map[string]string{"block-rate": "0"})
	file := &memoryDisk{}
	d, err := newDisk("tested", file)
	require.NoError(t, err)
	t.Cleanup(d.free)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); d.watch(ctx, w, newRounds(1, w)) }()
	c, ok := last[wire.Counts](t, heard(t, r, func(all []wire.Line) bool { return len(all) == 1 }), wire.SaysCounts)
	require.True(t, ok)
	require.Equal(t, uint64(blocks), c.Counts["verified"])
	require.GreaterOrEqual(t, c.Counts["flushed"], uint64(blocks/blocksFlush))
	stop()
	<-ended
	require.Zero(t, w.complaints)
}

func TestARoundIsOverWhenEachPartHasLooked(t *testing.T) {
	w, _ := aWitness(t, nil)
	all := newRounds(2, w)
	all.done("one")
	all.done("one")
	require.Zero(t, w.rounds)
	all.done("two")
	require.Equal(t, uint64(1), w.rounds)
	all.done("two")
	require.Equal(t, uint64(1), w.rounds)
	all.done("one")
	require.Equal(t, uint64(2), w.rounds)
}

// TestADiskIsFoundByItsSerial: no other is touched.
func TestADiskIsFoundByItsSerial(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"vda/serial":            "drover-virtio-blk",
		"vdb/serial":            "precious",
		"sda/device/vpd_pg80":   "\x00\x80\x00\x12drover-virtio-scsi",
		"nvme0n1/device/serial": "drover-nvme         \n",
	} {
		file := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	for serial, want := range map[string]string{
		"drover-virtio-blk": "vda", "drover-virtio-scsi": "sda", "drover-nvme": "nvme0n1", "drover-other": "",
	} {
		require.Equal(t, want, findDisk(folder, serial), serial)
	}
}

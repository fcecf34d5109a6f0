//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// blockWorker writes blocks with a number, a generation and a checksum to each disk that drover
// made for it, past the page cache, and reads all of them again and again. One half of them is
// written once, and so is as old as the worker; the other half gets new generations.
//
// The option block-rate is how many blocks are written a second to each disk, 0 for as many as
// can be.
type blockWorker struct{}

func (blockWorker) Name() string { return "block" }

// diskSerial is what a disk's serial begins with: the rest is the device's name, as far as it has
// room there. Package guest has the same.
const (
	diskSerial        = "drover-"
	diskSerialLongest = 20
)

func serialOf(device string) string {
	serial := diskSerial + device
	return serial[:min(len(serial), diskSerialLongest)]
}

const (
	blockSize   = 4096
	blocks      = 256 // that are used of a disk, from its first on
	blocksOnce  = blocks / 2
	blocksRead  = 16 // at once
	blockRate   = 24
	blocksFlush = 4 // written, and then flushed
	sectorSize  = 512
	blockMagic  = 0x646973_6b626c6b
	diskTimeout = onlineTimeout // that the kernel may take to find a disk once it has the module
)

// A blockFile is a disk as the worker uses it.
type blockFile interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// A disk is one that a worker owns.
type disk struct {
	name        string
	file        blockFile
	buffer      []byte // for the blocks that are read at once, and for one that is written
	generations [blocks]uint64
	complained  [blocks]uint64 // the generation about which it was, and one
	next        int            // block to be written
	unflushed   int
	longest     time.Duration // that the disk took for anything
	use         *use
}

func newDisk(name string, file blockFile) (*disk, error) {
	// Direct I/O wants aligned memory: pages are.
	buffer, err := syscall.Mmap(-1, 0, (blocksRead+1)*blockSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	return &disk{name: name, file: file, buffer: buffer, next: blocksOnce, use: &use{}}, err
}

func (d *disk) free() { _ = syscall.Munmap(d.buffer) }

func (blockWorker) Run(ctx context.Context, w *Witness) error {
	var disks []*disk
	for _, name := range w.Devices("block") {
		file, err := openDisk(name)
		if err != nil {
			return err
		}
		defer file.Close()
		d, err := newDisk(name, file)
		if err != nil {
			return err
		}
		defer d.free()
		d.use = w.Uses(name, deviceOf("/sys/class/block/"+filepath.Base(file.Name())))
		defer w.NotUsed(d.use)
		disks = append(disks, d)
	}
	var all sync.WaitGroup
	rounds := newRounds(len(disks), w)
	for _, d := range disks {
		all.Go(func() { d.watch(ctx, w, rounds) })
	}
	all.Wait()
	return nil
}

// watch uses a disk until ctx ends. A round reads every block.
func (d *disk) watch(ctx context.Context, w *Witness, rounds *rounds) {
	rate := number(w.Option("block-rate"), blockRate)
	for i := range blocks {
		d.write(i, w)
	}
	d.flush(w)
	for ctx.Err() == nil {
		for at := 0; at < blocks && ctx.Err() == nil; at += blocksRead {
			began := time.Now()
			d.verify(at, w)
			d.write(d.next, w)
			if d.next++; d.next == blocks {
				d.next = blocksOnce
			}
			if rate > 0 {
				time.Sleep(time.Second/time.Duration(rate) - time.Since(began))
			}
		}
		w.Max("longest-io-us", uint64(d.longest.Microseconds()))
		rounds.done(d)
	}
}

// fillBlock makes a block's bytes: its number, its generation, what follows from both, and a
// checksum.
func (d *disk) fillBlock(block []byte, i int, generation uint64) {
	s := seed(i, generation) ^ uint64(crc32.ChecksumIEEE([]byte(d.name)))
	for n := range blockSize / 8 {
		binary.LittleEndian.PutUint64(block[8*n:], word(s, n))
	}
	binary.LittleEndian.PutUint64(block, blockMagic)
	binary.LittleEndian.PutUint64(block[8:], uint64(i))
	binary.LittleEndian.PutUint64(block[16:], generation)
	binary.LittleEndian.PutUint32(block[blockSize-4:], crc32.ChecksumIEEE(block[:blockSize-4]))
}

// asks notes that something is asked of the disk, and when.
func (d *disk) asks() time.Time {
	d.use.Ask()
	return time.Now()
}

// took notes how long the disk took.
func (d *disk) took(began time.Time) {
	d.use.Serve()
	d.longest = max(d.longest, time.Since(began))
}

func sector(block int) int { return block * (blockSize / sectorSize) }

// write gives a block its next generation.
func (d *disk) write(i int, w *Witness) {
	block := d.buffer[blocksRead*blockSize:]
	d.generations[i]++
	d.fillBlock(block, i, d.generations[i])
	began := d.asks()
	if n, err := d.file.WriteAt(block, int64(i)*blockSize); err != nil {
		w.Complain("%s, sector %d: a write of %d bytes failed: expected no error, found %v after %d bytes", d.name, sector(i), blockSize, err, n)
	}
	d.took(began)
	w.Add("written", 1)
	if d.unflushed++; d.unflushed >= blocksFlush {
		d.flush(w)
	}
}

func (d *disk) flush(w *Witness) {
	began := d.asks()
	if err := d.file.Sync(); err != nil {
		w.Complain("%s: a flush failed: expected no error, found %v", d.name, err)
	}
	d.took(began)
	d.unflushed = 0
	w.Add("flushed", 1)
}

// verify reads some blocks, and holds each byte of them against what was written.
func (d *disk) verify(first int, w *Witness) {
	found := d.buffer[:blocksRead*blockSize]
	clear(found) // what a read leaves as it was is not what was read before
	began := d.asks()
	n, err := d.file.ReadAt(found, int64(first)*blockSize)
	d.took(began)
	if err != nil {
		w.Complain("%s, sector %d: a read of %d bytes failed: expected no error, found %v after %d bytes", d.name, sector(first), len(found), err, n)
		return
	}
	want := make([]byte, blockSize)
	for i := range blocksRead {
		d.fillBlock(want, first+i, d.generations[first+i])
		if block := found[i*blockSize : (i+1)*blockSize]; !bytes.Equal(block, want) {
			d.complain(first+i, block, want, w)
		}
	}
	w.Add("verified", blocksRead)
}

// complain says what is wrong with a block, once for each time that it is written.
func (d *disk) complain(i int, found, want []byte, w *Witness) {
	if d.complained[i] == d.generations[i] {
		return
	}
	d.complained[i] = d.generations[i]
	first, wrong := -1, 0
	for at := range found {
		if found[at] != want[at] {
			if wrong++; first < 0 {
				first = at
			}
		}
	}
	w.Complain("%s, sector %d: the byte at %d is wrong: expected %#02x, found %#02x; %d bytes of block %d, generation %d, are wrong%s",
		d.name, sector(i)+first/sectorSize, i*blockSize+first, want[first], found[first], wrong, i, d.generations[i], d.recognize(i, found))
}

// recognize says what a wrong block is, where it is one that was written.
func (d *disk) recognize(i int, found []byte) string {
	sum := crc32.ChecksumIEEE(found[:blockSize-4])
	if binary.LittleEndian.Uint64(found) != blockMagic || binary.LittleEndian.Uint32(found[blockSize-4:]) != sum {
		return ""
	}
	number, generation := binary.LittleEndian.Uint64(found[8:]), binary.LittleEndian.Uint64(found[16:])
	if number == uint64(i) && generation < d.generations[i] {
		return fmt.Sprintf("; that is what it had %d generations before", d.generations[i]-generation)
	}
	return fmt.Sprintf("; that is block %d, generation %d", number, generation)
}

// openDisk waits until the kernel has found the disk of a device of drover's, and opens it. No
// other disk is touched, whatever the machine has.
func openDisk(device string) (*os.File, error) {
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if name := findDisk("/sys/block", serialOf(device)); name != "" {
			f, err := os.OpenFile("/dev/"+name, os.O_RDWR|syscall.O_DIRECT|syscall.O_CLOEXEC, 0)
			if err == nil || time.Since(began) > diskTimeout {
				return f, err
			}
		}
		if time.Since(began) > diskTimeout {
			return nil, fmt.Errorf("no disk has the serial %s", serialOf(device))
		}
	}
}

// findDisk is the name of the disk with that serial, "" for none: each kind of disk has it
// elsewhere.
func findDisk(folder, serial string) string {
	for _, place := range []string{"serial", "device/serial", "device/vpd_pg80"} {
		files, _ := filepath.Glob(filepath.Join(folder, "*", place))
		for _, f := range files {
			if text, err := os.ReadFile(f); err == nil && strings.HasSuffix(strings.TrimSpace(string(text)), serial) {
				name, _ := filepath.Rel(folder, f)
				name, _, _ = strings.Cut(name, string(filepath.Separator))
				return name
			}
		}
	}
	return findUSBDisk(folder, serial)
}

// findUSBDisk is the name of the disk of the USB device with that serial.
func findUSBDisk(folder, serial string) string {
	all, _ := filepath.Glob(filepath.Join(folder, "*", "device"))
	for _, place := range all {
		path, err := filepath.EvalSymlinks(place)
		for ; err == nil && path != filepath.Dir(path); path = filepath.Dir(path) {
			if readWord(path, "serial") == serial {
				return filepath.Base(filepath.Dir(place))
			}
		}
	}
	return ""
}

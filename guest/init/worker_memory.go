//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// memoryWorker fills pages with what follows from the page, its generation and the worker,
// and another thread looks all the time whether that is in them: every byte of each. It does the
// same for words that lie over the ends of pages of their own.
//
// The option memory is how many MiB; memory-rate how many pages are written a second, 0 for as
// many as can be.
type memoryWorker struct{}

func (memoryWorker) Name() string { return "memory" }

const (
	memoryMiB  = 32
	pageSize   = 4096 // of what is written at once, whatever the machine's page is
	memoryRate = 20_000
	memorySeed = 0x6d656d6f7279 // the worker
)

// A filled page is one that the worker writes. Its generation is kept apart from it.
type filledPage struct {
	mu         sync.Mutex
	generation uint64
	complained uint64 // generation about which it was
}

type filledMemory struct {
	name  string // empty for the guest's own
	bytes []byte
	pages []filledPage
}

func (memoryWorker) Run(ctx context.Context, w *Witness) error {
	bytes, free, err := mapMemory(number(w.Option("memory"), memoryMiB))
	if err != nil {
		return err
	}
	defer free()
	over, freeOver, err := mapMemory(acrossMiB)
	if err != nil {
		return err
	}
	defer freeOver()
	across := &acrossPages{bytes: over}
	watchMemory(ctx, w, bytes, func() { across.look(w) })
	return nil
}

// mapMemory is so much memory, filled with zeros, which stays in RAM until it is freed.
func mapMemory(mib int) (bytes []byte, free func(), err error) {
	bytes, err = syscall.Mmap(-1, 0, mib<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_POPULATE)
	if err != nil {
		return nil, nil, fmt.Errorf("mmap of %d MiB: %w", mib, err)
	}
	_ = syscall.Mlock(bytes)
	return bytes, func() { _ = syscall.Munmap(bytes) }, nil
}

// watchMemory fills memory and looks at it until ctx ends. Each time it has looked at all of it,
// it calls also, where that isn't nil.
func watchMemory(ctx context.Context, w *Witness, bytes []byte, also func()) {
	rate := number(w.Option("memory-rate"), memoryRate)
	m := &filledMemory{bytes: bytes, pages: make([]filledPage, len(bytes)/pageSize)}
	for i := range m.pages {
		m.write(i)
	}
	w.Set("pages", uint64(len(m.pages)))
	if physical, ok := physicalOf(&bytes[0]); ok {
		w.Set("first-page", physical)
	}
	var written atomic.Uint64
	var writer sync.WaitGroup
	writer.Go(func() { m.writeAll(ctx, rate, &written) })
	defer writer.Wait()
	runtime.LockOSThread()
	for ctx.Err() == nil {
		for i := range m.pages {
			m.verify(i, w)
		}
		w.Add("verified", uint64(len(m.pages)))
		w.Set("written", written.Load())
		if also != nil {
			also()
		}
		w.Round()
	}
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return n
	}
	return otherwise
}

// writeAll goes through the pages again and again.
func (m *filledMemory) writeAll(ctx context.Context, rate int, written *atomic.Uint64) {
	runtime.LockOSThread()
	const batch = 64
	for i := 0; ctx.Err() == nil; i = (i + batch) % len(m.pages) {
		for j := i; j < min(i+batch, len(m.pages)); j++ {
			m.write(j)
		}
		written.Add(batch)
		if rate > 0 {
			time.Sleep(batch * time.Second / time.Duration(rate))
		}
	}
}

// seed is what a page's words follow from.
func seed(page int, generation uint64) uint64 {
	x := memorySeed ^ uint64(page)*0x9e3779b97f4a7c15 ^ generation*0xbf58476d1ce4e5b9
	x ^= x >> 31
	return x * 0x94d049bb133111eb
}

// word is the value of one of a page's words.
func word(seed uint64, i int) uint64 {
	x := seed + uint64(i)*0x9e3779b97f4a7c15
	return x ^ x>>29
}

func (m *filledMemory) page(i int) []byte { return m.bytes[i*pageSize : (i+1)*pageSize] }

// write gives a page its next generation.
func (m *filledMemory) write(i int) {
	p := &m.pages[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generation++
	s, page := seed(i, p.generation), m.page(i)
	for n := range pageSize / 8 {
		binary.LittleEndian.PutUint64(page[8*n:], word(s, n))
	}
}

func (m *filledMemory) verify(i int, w *Witness) {
	p := &m.pages[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	s, page := seed(i, p.generation), m.page(i)
	for n := range pageSize / 8 {
		if found := binary.LittleEndian.Uint64(page[8*n:]); found != word(s, n) {
			m.complain(i, s, w)
			return
		}
	}
}

// complain names the first byte that is wrong, once for each time that the page is written.
func (m *filledMemory) complain(i int, s uint64, w *Witness) {
	p, page := &m.pages[i], m.page(i)
	if p.complained == p.generation {
		return
	}
	p.complained = p.generation
	want, wrong, first := make([]byte, pageSize), 0, -1
	for n := range pageSize / 8 {
		binary.LittleEndian.PutUint64(want[8*n:], word(s, n))
	}
	for at := range page {
		if page[at] != want[at] {
			if wrong++; first < 0 {
				first = at
			}
		}
	}
	if first < 0 {
		w.Complain("page %d of %d was wrong at one look, and right at the next", i, len(m.pages))
		return
	}
	where := fmt.Sprintf("at %p", &page[first])
	if physical, ok := physicalOf(&page[first]); ok {
		where = fmt.Sprintf("at %#x", physical)
	}
	if m.name != "" {
		where = fmt.Sprintf("at %#x of %s", i*pageSize+first, m.name)
	}
	older := ""
	for back := uint64(1); back <= 3 && back < p.generation; back++ {
		if binary.LittleEndian.Uint64(page[first&^7:]) == word(seed(i, p.generation-back), first/8) {
			older = fmt.Sprintf("; that is what it had %d generations before", back)
		}
	}
	w.Complain("the byte %s is wrong: expected %#02x, found %#02x; %d bytes of page %d, generation %d, are wrong%s",
		where, want[first], page[first], wrong, i, p.generation, older)
}

// physicalOf is the guest-physical address of a byte that is in memory now.
func physicalOf(b *byte) (uint64, bool) {
	at := physicalPages(unsafe.Slice(b, 1))
	if len(at) == 0 || at[0] == 0 {
		return 0, false
	}
	return at[0] + uint64(uintptr(unsafe.Pointer(b)))%uint64(os.Getpagesize()), true
}

// physicalPages are the guest-physical addresses of the pages that memory begins in, one after the
// other, 0 for one that is not in memory now; none where the kernel does not say it. They are asked
// for at once: a guest of TCG's takes half a minute for a few thousand questions.
func physicalPages(bytes []byte) []uint64 {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil
	}
	defer f.Close()
	const entry, present, frame = 8, 1 << 63, 1<<55 - 1
	size := uint64(os.Getpagesize())
	first := uint64(uintptr(unsafe.Pointer(&bytes[0]))) / size
	entries := make([]byte, (len(bytes)+int(size)-1)/int(size)*entry)
	if _, err := f.ReadAt(entries, int64(first*entry)); err != nil {
		return nil
	}
	all := make([]uint64, len(entries)/entry)
	for i := range all {
		if e := binary.NativeEndian.Uint64(entries[i*entry:]); e&present != 0 {
			all[i] = e & frame * size
		}
	}
	return all
}

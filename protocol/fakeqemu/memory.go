package fakeqemu

const pageSize = 4096

type page [pageSize]byte

// memory is the guest's, sparse. Beyond its size writes are lost and reads give
// zero, as on the machines that were looked at.
type memory struct {
	size  uint64
	pages map[uint64]*page
}

func (m *memory) read(addr uint64, p []byte) {
	clear(p)
	m.each(addr, uint64(len(p)), func(index, offset, at, n uint64) {
		if pg := m.pages[index]; pg != nil {
			copy(p[at:at+n], pg[offset:])
		}
	})
}

func (m *memory) write(addr uint64, p []byte) {
	m.each(addr, uint64(len(p)), func(index, offset, at, n uint64) {
		pg := m.pages[index]
		if pg == nil {
			pg = new(page)
			m.pages[index] = pg
		}
		copy(pg[offset:], p[at:at+n])
	})
}

// each calls f for every page that the range touches and the guest has.
func (m *memory) each(addr, size uint64, f func(index, offset, at, n uint64)) {
	for at := uint64(0); at < size; {
		a := addr + at
		if a >= m.size {
			return
		}
		offset := a % pageSize
		n := min(pageSize-offset, size-at, m.size-a)
		f(a/pageSize, offset, at, n)
		at += n
	}
}

func (m *memory) copy() memory {
	c := memory{size: m.size, pages: make(map[uint64]*page, len(m.pages))}
	for i, pg := range m.pages {
		p := *pg
		c.pages[i] = &p
	}
	return c
}

// ReadMemory fills p with the guest's memory at a physical address, as the guest
// would see it.
func (q *QEMU) ReadMemory(addr uint64, p []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.memory.read(addr, p)
}

// WriteMemory is a write by the guest itself.
func (q *QEMU) WriteMemory(addr uint64, p []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.memory.write(addr, p)
}

// ports is the guest's I/O space: nothing answers, except the battery-backed
// memory behind 0x70 and 0x71.
type ports struct {
	index byte
	cmos  [128]byte
}

func (p *ports) in(port uint16, size int) uint64 {
	all := uint64(1)<<(8*size) - 1
	if port == 0x71 {
		return all&^0xff | uint64(p.cmos[p.index])
	}
	return all
}

func (p *ports) out(port uint16, v byte) {
	switch port {
	case 0x70:
		p.index = v & 0x7f
	case 0x71:
		p.cmos[p.index] = v
	}
}

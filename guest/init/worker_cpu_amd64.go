//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"unsafe"
)

// cpuState is what the assembly fills the registers with, and what it found. The offsets are in
// worker_cpu_amd64.s.
type cpuState struct {
	general [15]uint64 // AX, CX, DX, BX, BP, SI, DI, R8 to R15
	flags   uint64
	fs, gs  uint64 // bases
	area    *byte  // as XSAVE has it, at a multiple of 64 bytes
}

// holdRegisters fills the registers with want, counts AX up and CX down until CX is 0, and puts
// what is in them then into found. The mask is what XRSTOR and XSAVE are told, 0 for a vCPU
// that has only FXRSTOR and FXSAVE. It puts the base of FS back, where it has changed.
//
//go:noescape
func holdRegisters(want, found *cpuState, spins, mask uint64)

func cpuid(leaf, subleaf uint32) (ax, bx, cx, dx uint32)

func xgetbv() uint64

// rdtscp returns TSC_AUX.
func rdtscp() uint32

func rdpkru() uint32

func wrpkru(rights uint32)

// Parts of an XSAVE area (Intel SDM volume 1, 13.4).
const (
	xsaveSSE    = 1 << 1
	xsaveAVX    = 1 << 2
	xsaveMask   = 1 << 5
	xsaveZMMHi  = 1 << 6
	xsaveHi16   = 1 << 7
	xsaveAll    = 1 | xsaveSSE | xsaveAVX | xsaveMask | xsaveZMMHi | xsaveHi16
	xsaveHeader = 512 // the offset
	xsaveSize   = 4096
)

// gpNames are those of cpuState.general.
var gpNames = [...]string{"RAX", "RCX", "RDX", "RBX", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}

// heldFlags of RFLAGS: CF, PF, AF, ZF, SF, DF, OF and ID.
const heldFlags = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x400 | 0x800 | 0x200000

type amd64Registers struct {
	mask        uint64
	hasAux      bool   // TSC_AUX, where the kernel keeps which vCPU it is
	aux         uint32 // what it keeps there
	hasPKRU     bool
	parts       []part
	want, found cpuState
	wantArea    []byte
	foundArea   []byte
}

func newRegisterSet() registerSet {
	r := &amd64Registers{mask: xsaveUsable(), wantArea: aligned(xsaveSize), foundArea: aligned(xsaveSize)}
	r.aux, r.hasAux = tscAux()
	r.hasPKRU = hasProtectionKeys()
	r.parts = legacyParts()
	for _, extended := range []struct {
		bit, bytes, count, first int
		name                     string
	}{
		{2, 16, 16, 0, "upper half of YMM%d"}, {5, 8, 8, 0, "K%d"}, {6, 32, 16, 0, "upper half of ZMM%d"}, {7, 64, 16, 16, "ZMM%d"},
	} {
		if r.mask&(1<<extended.bit) == 0 {
			continue
		}
		_, at, _, _ := cpuid(0xd, uint32(extended.bit))
		for n := range extended.count {
			r.parts = append(r.parts, part{fmt.Sprintf(extended.name, extended.first+n), int(at) + n*extended.bytes, extended.bytes})
		}
	}
	r.want.area, r.found.area = &r.wantArea[0], &r.foundArea[0]
	return r
}

// legacyParts are the x87 and SSE registers.
func legacyParts() []part {
	all := []part{{"the x87 control word", 0, 2}, {"the x87 status word", 2, 2}, {"the x87 tag word", 4, 1}, {"MXCSR", 24, 4}}
	for n := range 8 {
		all = append(all, part{fmt.Sprintf("ST%d", n), 32 + 16*n, 10})
	}
	for n := range 16 {
		all = append(all, part{fmt.Sprintf("XMM%d", n), 160 + 16*n, 16})
	}
	return all
}

// xsaveUsable is what XSAVE can save, of what is held here, and 0 where there is no XSAVE that
// the kernel has enabled.
func xsaveUsable() uint64 {
	const osxsave = 1 << 27
	_, _, features, _ := cpuid(1, 0)
	if features&osxsave == 0 {
		return 0
	}
	mask := xgetbv() & xsaveAll
	if mask&xsaveAVX == 0 {
		mask &= 1 | xsaveSSE
	}
	return mask
}

// aligned are bytes that begin at a multiple of 64.
func aligned(size int) []byte {
	all := make([]byte, size+64)
	skip := -uintptr(unsafe.Pointer(&all[0])) & 63
	return all[skip:][:size]
}

func (r *amd64Registers) size() int {
	n := len(gpNames) + 3 + len(r.parts)
	if r.hasAux {
		n++
	}
	if r.hasPKRU {
		n++
	}
	return n
}

// tscAux is what the kernel has put into TSC_AUX of the vCPU that this thread is bound to, by
// the kernel's own account of which that is; false where nobody may read the register.
func tscAux() (value uint32, ok bool) {
	const hasRDTSCP = 1 << 27
	_, _, _, features := cpuid(0x80000001, 0)
	if features&hasRDTSCP == 0 {
		return 0, false
	}
	var vcpu, node uint32
	_, _, failed := syscall.RawSyscall(sysGetCPU, uintptr(unsafe.Pointer(&vcpu)), uintptr(unsafe.Pointer(&node)), 0)
	return node<<12 | vcpu, failed == 0
}

// sysGetCPU is the number of getcpu(2), which package syscall lacks.
const sysGetCPU = 309

// hasProtectionKeys says that the kernel has enabled PKRU.
func hasProtectionKeys() bool {
	const ospke = 1 << 4
	_, _, features, _ := cpuid(7, 0)
	return features&ospke != 0
}

func (r *amd64Registers) hold(seed, spins uint64) (wrong []register) {
	r.fill(seed)
	var rights uint32
	if r.hasPKRU {
		rights = uint32(seed*0x9e3779b9) &^ 3 // all may be done by key 0, which all memory here has
		wrpkru(rights)
	}
	holdRegisters(&r.want, &r.found, spins, r.mask)
	if r.hasPKRU {
		wrong = compareWord(wrong, "PKRU", uint64(rights), uint64(rdpkru()))
	}
	if r.hasAux {
		wrong = compareWord(wrong, "TSC_AUX", uint64(r.aux), uint64(rdtscp()))
	}
	r.want.general[0] += spins // what was counted up
	r.want.general[1] = 0      // and down
	for i, name := range gpNames {
		wrong = compareWord(wrong, name, r.want.general[i], r.found.general[i])
	}
	wrong = compareWord(wrong, "RFLAGS", r.want.flags&heldFlags, r.found.flags&heldFlags)
	wrong = compareWord(wrong, "the base of FS", r.want.fs, r.found.fs)
	wrong = compareWord(wrong, "the base of GS", r.want.gs, r.found.gs)
	for _, p := range r.parts {
		wrong = compare(wrong, p.name, r.wantArea[p.at:][:p.bytes], r.foundArea[p.at:][:p.bytes])
	}
	return wrong
}

func compareWord(wrong []register, name string, want, found uint64) []register {
	return compare(wrong, name, binary.LittleEndian.AppendUint64(nil, want), binary.LittleEndian.AppendUint64(nil, found))
}

// What arch_prctl is told.
const (
	archSetGS = 0x1001
	archGetFS = 0x1003
)

// fill makes up the values. No exception of floating point is unmasked, for there is nobody to
// take one.
func (r *amd64Registers) fill(seed uint64) {
	m := mixed(seed)
	for i := range r.want.general {
		r.want.general[i] = m.next()
	}
	r.want.flags = m.next()&heldFlags | 0x202
	_, _, _ = syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archGetFS, uintptr(unsafe.Pointer(&r.want.fs)), 0)
	r.want.gs = m.next() >> 20 // in the lower half of the addresses, nobody uses it here
	_, _, _ = syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archSetGS, uintptr(r.want.gs), 0)

	clear(r.wantArea)
	clear(r.foundArea)
	for _, p := range r.parts {
		m.fill(r.wantArea[p.at:][:p.bytes])
	}
	a := r.wantArea
	binary.LittleEndian.PutUint16(a[0:], uint16(0x007f|m.next()%4<<10|[]uint64{0, 2, 3}[m.next()%3]<<8)) // rounding and precision
	binary.LittleEndian.PutUint16(a[2:], uint16(m.next()&0x7f7f))
	a[4] = 0xff                                                                      // no register is empty
	binary.LittleEndian.PutUint32(a[24:], uint32(0x1f80|m.next()&0xe03f|0x2000)&^64) // rounds down or to 0, flags
	for n := range 8 {
		at := 32 + 16*n
		a[at+7] |= 0x80               // an integer part, and an exponent of
		a[at+9] = a[at+9]&0x80 | 0x3f // a number that is normal
		binary.LittleEndian.PutUint64(a[at+10:], 0)
	}
	if r.mask != 0 {
		binary.LittleEndian.PutUint64(a[xsaveHeader:], r.mask)
	}
}

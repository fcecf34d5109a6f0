//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
)

// cpuState is what the assembly fills the registers with, and what it found. The offsets are in
// worker_cpu_arm64.s.
type cpuState struct {
	general                 [26]uint64 // X0 to X17, X19 to X26
	nzcv, fpcr, fpsr, tpidr uint64
	vector                  [32 * 16]byte // without SVE
	sve                     *byte         // Z0 to Z31, P0 to P15 and FFR; nil without SVE
}

// holdRegisters fills the registers with want, counts X1 up and X0 down from so many spins until
// that is 0, and puts what is in them then into found.
//
//go:noescape
func holdRegisters(want, found *cpuState, spins uint64)

// sveBytes is how long an SVE register is.
func sveBytes() uint64

type arm64Registers struct {
	want, found       cpuState
	wantSVE, foundSVE []byte
	length            int    // of an SVE register, in bytes; 0 without SVE
	parts             []part // of SVE, FFR last
}

func newRegisterSet() registerSet {
	r := &arm64Registers{}
	if !hasSVE() {
		return r
	}
	r.length = int(sveBytes())
	at := 0
	next := func(name string, bytes int) part {
		at += bytes
		return part{name, at - bytes, bytes}
	}
	for n := range 32 {
		r.parts = append(r.parts, next(fmt.Sprintf("Z%d", n), r.length))
	}
	for n := range 16 {
		r.parts = append(r.parts, next(fmt.Sprintf("P%d", n), r.length/8))
	}
	r.parts = append(r.parts, next("FFR", r.length/8))
	r.wantSVE, r.foundSVE = make([]byte, at), make([]byte, at)
	r.want.sve, r.found.sve = &r.wantSVE[0], &r.foundSVE[0]
	return r
}

// hasSVE says that the kernel lets programs use SVE, by the auxiliary vector (getauxval(3)).
func hasSVE() bool {
	const atHWCAP, hwcapSVE = 16, 1 << 22
	vector, _ := os.ReadFile("/proc/self/auxv")
	for ; len(vector) >= 16; vector = vector[16:] {
		if binary.LittleEndian.Uint64(vector) == atHWCAP {
			return binary.LittleEndian.Uint64(vector[8:])&hwcapSVE != 0
		}
	}
	return false
}

func (r *arm64Registers) size() int {
	vectors := len(r.want.vector) / 16
	if r.length > 0 {
		vectors = len(r.parts)
	}
	return len(r.want.general) + 4 + vectors
}

// Bits of the registers that may be anything, without an exception that is enabled.
const (
	heldNZCV = 0xf << 28
	heldFPCR = 0x7<<24 | 0x3<<22 // AHP, DN, FZ and the rounding
	heldFPSR = 1<<27 | 0x9f      // QC and what has been
)

func (r *arm64Registers) hold(seed, spins uint64) (wrong []register) {
	m := mixed(seed)
	for i := range r.want.general {
		r.want.general[i] = m.next()
	}
	r.want.nzcv, r.want.fpcr, r.want.fpsr = m.next()&heldNZCV, m.next()&heldFPCR|1<<22, m.next()&heldFPSR
	r.want.tpidr = m.next()
	m.fill(r.want.vector[:])
	m.fill(r.wantSVE)
	clear(r.foundSVE)
	if r.length > 0 { // FFR has no gaps
		ffr := r.parts[len(r.parts)-1]
		for i, first := 0, int(m.next())&(r.length-1); i < ffr.bytes; i++ {
			r.wantSVE[ffr.at+i] = byte(1<<max(0, min(8, first-8*i)) - 1)
		}
	}
	r.found = cpuState{sve: r.found.sve}
	holdRegisters(&r.want, &r.found, spins)
	r.want.general[0] = 0
	r.want.general[1] += spins
	for i := range r.want.general {
		name := i
		if i > 17 {
			name++
		}
		wrong = compareWord(wrong, fmt.Sprintf("X%d", name), r.want.general[i], r.found.general[i])
	}
	wrong = compareWord(wrong, "NZCV", r.want.nzcv, r.found.nzcv)
	wrong = compareWord(wrong, "FPCR", r.want.fpcr, r.found.fpcr)
	wrong = compareWord(wrong, "FPSR", r.want.fpsr, r.found.fpsr)
	wrong = compareWord(wrong, "TPIDR_EL0", r.want.tpidr, r.found.tpidr)
	for _, p := range r.parts {
		wrong = compare(wrong, p.name, r.wantSVE[p.at:][:p.bytes], r.foundSVE[p.at:][:p.bytes])
	}
	for n := 0; n < 32 && r.length == 0; n++ {
		wrong = compare(wrong, fmt.Sprintf("V%d", n), r.want.vector[16*n:][:16], r.found.vector[16*n:][:16])
	}
	return wrong
}

func compareWord(wrong []register, name string, want, found uint64) []register {
	return compare(wrong, name, binary.LittleEndian.AppendUint64(nil, want), binary.LittleEndian.AppendUint64(nil, found))
}

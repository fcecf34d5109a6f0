//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
)

// cpuState is what the assembly fills the registers with, and what it found. The offsets are in
// worker_cpu_arm64.s.
type cpuState struct {
	general                 [26]uint64 // X0 to X17, X19 to X26
	nzcv, fpcr, fpsr, tpidr uint64
	vector                  [32 * 16]byte
}

// holdRegisters fills the registers with want, counts X1 up and X0 down from so many spins until
// that is 0, and puts what is in them then into found.
//
//go:noescape
func holdRegisters(want, found *cpuState, spins uint64)

type arm64Registers struct{ want, found cpuState }

func newRegisterSet() registerSet { return &arm64Registers{} }

func (r *arm64Registers) size() int { return len(r.want.general) + 4 + len(r.want.vector)/16 }

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
	r.found = cpuState{}
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
	for n := range 32 {
		wrong = compare(wrong, fmt.Sprintf("V%d", n), r.want.vector[16*n:][:16], r.found.vector[16*n:][:16])
	}
	return wrong
}

func compareWord(wrong []register, name string, want, found uint64) []register {
	return compare(wrong, name, binary.LittleEndian.AppendUint64(nil, want), binary.LittleEndian.AppendUint64(nil, found))
}

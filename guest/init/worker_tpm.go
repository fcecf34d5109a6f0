//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// tpmWorker extends a PCR of the TPM again and again, and computes itself what is in it then;
// writes to an NV index, and reads it; and looks at the TPM's clock, which says whether it was
// started again.
type tpmWorker struct{}

func (tpmWorker) Name() string { return "tpm" }

const (
	tpmPath    = "/dev/tpm0"
	tpmTimeout = 3 * time.Second // for the driver to find it
	tpmEvery   = 50 * time.Millisecond
	// The PCR for tests: nobody else extends it.
	tpmPCR = 16
	// Of those that the owner may have.
	tpmIndex   = 0x01d40d40
	tpmNVSize  = 64
	tpmNVOneIn = 10 // rounds in which the index is written
)

func (tpmWorker) Run(ctx context.Context, w *Witness) error {
	var file tpmFile
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		var err error
		if file, err = openTPM(tpmPath); err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || time.Since(began) > tpmTimeout {
			return err
		}
	}
	defer file.Close()
	watched := &watchedTPM{tpm: &tpm{wire: file}}
	if err := watched.begin(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		watched.look(w)
		w.Round()
		rest(ctx, tpmEvery)
	}
	return nil
}

// A watchedTPM is a TPM, and what it must hold.
type watchedTPM struct {
	tpm     *tpm
	pcr, nv []byte
	clock   tpmClock
	extends uint64
	writes  uint64
}

// begin takes the PCR as it is, and makes the NV index.
func (t *watchedTPM) begin() (err error) {
	if t.pcr, err = t.tpm.pcr(tpmPCR); err != nil {
		return err
	}
	if t.clock, err = t.tpm.clock(); err != nil {
		return err
	}
	if err := t.tpm.define(tpmIndex, tpmNVSize); err != nil {
		return err
	}
	return t.write()
}

// look looks at all once, and goes on from what it finds. A command that fails is complained of,
// and given again in the next round.
func (t *watchedTPM) look(w *Witness) {
	if err := errors.Join(t.lookAtPCR(w), t.lookAtClock(w), t.lookAtNV(w)); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		w.Complain("the TPM, after %d extends: expected no error, found %s", t.extends, first)
	}
}

// lookAtPCR reads the PCR, and extends it.
func (t *watchedTPM) lookAtPCR(w *Witness) error {
	found, err := t.tpm.pcr(tpmPCR)
	if err != nil {
		return err
	}
	if !bytes.Equal(found, t.pcr) {
		w.Complain("the TPM's PCR %d after %d extends: expected %x, found %x", tpmPCR, t.extends, t.pcr, found)
		t.pcr = found
	}
	w.Add("verified", 1)
	digest := tpmDigest(t.extends + 1)
	if err := t.tpm.extend(tpmPCR, digest); err != nil {
		return err
	}
	t.extends++
	sum := sha256.Sum256(slices.Concat(t.pcr, digest[:]))
	t.pcr = sum[:]
	w.Add("extended", 1)
	return nil
}

// lookAtClock holds the clock against what it was.
func (t *watchedTPM) lookAtClock(w *Witness) error {
	now, err := t.tpm.clock()
	if err != nil {
		return err
	}
	if was := t.clock; now.Resets != was.Resets || now.Restarts != was.Restarts {
		w.Complain("the TPM was started again: expected reset count %d and restart count %d, found %d and %d", was.Resets, was.Restarts, now.Resets, now.Restarts)
	} else if now.Clock < was.Clock {
		w.Complain("the TPM's clock went back: expected %d ms or later, found %d ms", was.Clock, now.Clock)
	}
	t.clock = now
	return nil
}

// lookAtNV reads the index, and writes it in some rounds.
func (t *watchedTPM) lookAtNV(w *Witness) error {
	found, err := t.tpm.readNV(tpmIndex, tpmNVSize)
	if err != nil {
		return err
	}
	if !bytes.Equal(found, t.nv) {
		w.Complain("the TPM's NV index %#x after %d writes: expected %x, found %x", tpmIndex, t.writes, t.nv, found)
		t.nv = found
	}
	w.Add("nv-verified", 1)
	if t.extends%tpmNVOneIn != 0 {
		return nil
	}
	w.Add("nv-written", 1)
	return t.write()
}

// write writes the index once more.
func (t *watchedTPM) write() error {
	first := tpmDigest(2 * t.writes)
	second := tpmDigest(2*t.writes + 1)
	data := append(first[:], second[:]...)
	err := t.tpm.writeNV(tpmIndex, data)
	if err == nil {
		t.nv = data
		t.writes++
	}
	return err
}

// tpmDigest is the digest that a PCR is extended with for the nth time.
func tpmDigest(n uint64) [sha256.Size]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("drover"), n))
}

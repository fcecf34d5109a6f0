// Package acpi finds in a PC's memory how the machine is put to sleep (ACPI S3). It
// reads the tables that the firmware has left there, and knows no VM: any
// [io.ReaderAt] over guest-physical addresses will do.
package acpi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// A Sleep is how a PC is suspended (S3), and where it continues at wakeup: what is in
// the tables that its firmware left in memory. They are described in chapters 4.8.3,
// 5.2 and 7.4 of the ACPI specification.
type Sleep struct {
	Control uint16 // the port of PM1a_CNT
	Kind    uint16 // what goes into its SLP_TYP
	Vector  uint64 // the guest-physical address of the firmware waking vector
}

// SLP_TYP is bits 10 to 12 of PM1a_CNT; a one written to SLP_EN begins the sleep.
const (
	sleepTypeShift = 10
	sleepTypeMask  = 7 << sleepTypeShift
	sleepEnable    = 1 << 13
)

// Order is what must be written to PM1a_CNT, which holds now, for the machine to sleep.
func (s Sleep) Order(now uint16) uint16 {
	return now&^sleepTypeMask | s.Kind<<sleepTypeShift | sleepEnable
}

// Where things are in ACPI's tables, in bytes.
const (
	acpiHeader   = 36 // length of what every table but RSDP and FACS begins with
	rsdpLength   = 20 // of the first version's, which the later ones begin with
	rsdpTable    = 16 // the RSDT's address
	fadtFACS     = 36
	fadtDSDT     = 40
	fadtPM1aCNT  = 64
	fadtLength   = fadtPM1aCNT + 4 // up to the last that is used here
	facsVector   = 12
	facsLength   = 64
	acpiMost     = 1 << 20 // a table longer than this is taken for a broken one
	rsdpFrom     = 0xe0000 // of the firmware's memory
	rsdpUpTo     = 0x100000
	rsdpBoundary = 16
)

// FindSleep walks through the tables in a PC's memory.
func FindSleep(memory io.ReaderAt) (Sleep, error) {
	rsdp, err := findRSDP(memory)
	if err != nil {
		return Sleep{}, err
	}
	rsdt, err := readTable(memory, rsdp, "RSDT")
	if err != nil {
		return Sleep{}, err
	}
	fadt, err := findTable(memory, rsdt, "FACP")
	if err != nil {
		return Sleep{}, err
	}
	if len(fadt) < fadtLength {
		return Sleep{}, fmt.Errorf("the FADT has %d bytes, at least %d were expected", len(fadt), fadtLength)
	}
	facs := binary.LittleEndian.Uint32(fadt[fadtFACS:])
	port := binary.LittleEndian.Uint32(fadt[fadtPM1aCNT:])
	if port == 0 || port > 0xffff {
		return Sleep{}, fmt.Errorf("the FADT says that PM1a_CNT is at port %#x", port)
	}
	if err := checkFACS(memory, facs); err != nil {
		return Sleep{}, err
	}
	dsdt, err := readTable(memory, binary.LittleEndian.Uint32(fadt[fadtDSDT:]), "DSDT")
	if err != nil {
		return Sleep{}, err
	}
	kind, err := sleepType(dsdt)
	return Sleep{Control: uint16(port), Kind: kind, Vector: uint64(facs) + facsVector}, err
}

// findRSDP returns the address of the RSDT, which the RSDP tells.
func findRSDP(memory io.ReaderAt) (uint32, error) {
	low := make([]byte, rsdpUpTo-rsdpFrom)
	if _, err := memory.ReadAt(low, rsdpFrom); err != nil {
		return 0, err
	}
	for ; len(low) >= rsdpLength; low = low[rsdpBoundary:] {
		if bytes.HasPrefix(low, []byte("RSD PTR ")) && sumOf(low[:rsdpLength]) == 0 {
			return binary.LittleEndian.Uint32(low[rsdpTable:]), nil
		}
	}
	return 0, fmt.Errorf("there is no RSDP from %#x to %#x: the machine's firmware has made no ACPI tables", rsdpFrom, rsdpUpTo)
}

// findTable returns the table with the signature that the RSDT knows.
func findTable(memory io.ReaderAt, rsdt []byte, signature string) ([]byte, error) {
	for entry := rsdt[acpiHeader:]; len(entry) >= 4; entry = entry[4:] {
		address := binary.LittleEndian.Uint32(entry)
		found := make([]byte, 4)
		if _, err := memory.ReadAt(found, int64(address)); err != nil {
			return nil, err
		}
		if string(found) == signature {
			return readTable(memory, address, signature)
		}
	}
	return nil, fmt.Errorf("the RSDT knows no table %s", signature)
}

// readTable reads a table that begins with the common header, and is whole.
func readTable(memory io.ReaderAt, address uint32, signature string) ([]byte, error) {
	header := make([]byte, acpiHeader)
	if _, err := memory.ReadAt(header, int64(address)); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header[4:])
	switch {
	case string(header[:4]) != signature:
		return nil, fmt.Errorf("at %#x there is a table %q, where %s was expected", address, header[:4], signature)
	case length < acpiHeader || length > acpiMost:
		return nil, fmt.Errorf("the %s at %#x says that it has %d bytes", signature, address, length)
	}
	table := make([]byte, length)
	if _, err := memory.ReadAt(table, int64(address)); err != nil {
		return nil, err
	}
	if sum := sumOf(table); sum != 0 {
		return nil, fmt.Errorf("the bytes of the %s at %#x add up to %#02x, and not to 0", signature, address, sum)
	}
	return table, nil
}

func checkFACS(memory io.ReaderAt, address uint32) error {
	facs := make([]byte, facsLength)
	if _, err := memory.ReadAt(facs, int64(address)); err != nil {
		return err
	}
	if length := binary.LittleEndian.Uint32(facs[4:]); string(facs[:4]) != "FACS" || length < facsLength {
		return fmt.Errorf("at %#x there is a table %q of %d bytes, where FACS of at least %d was expected", address, facs[:4], length, facsLength)
	}
	return nil
}

// sleepType returns the first element of the package \_S3 in a DSDT's code: what goes
// into SLP_TYP of PM1a_CNT. Only numbers as every compiler writes small ones are known.
func sleepType(dsdt []byte) (uint16, error) {
	const nameOp, packageOp, zeroOp, oneOp, bytePrefix = 0x08, 0x12, 0x00, 0x01, 0x0a
	_, after, found := bytes.Cut(dsdt, append([]byte{nameOp}, "_S3_"...))
	if !found {
		return 0, fmt.Errorf("the DSDT has no \\_S3: the machine can't sleep so")
	}
	if len(after) < 2 || after[0] != packageOp {
		return 0, fmt.Errorf("the DSDT's \\_S3 is no package")
	}
	more := int(after[1] >> 6) // bytes of the package's length after its first
	// Behind them comes the number of elements, and then the first.
	element := after[min(2+more+1, len(after)):]
	switch {
	case len(element) > 0 && (element[0] == zeroOp || element[0] == oneOp):
		return uint16(element[0]), nil
	case len(element) > 1 && element[0] == bytePrefix && element[1] <= sleepTypeMask>>sleepTypeShift:
		return uint16(element[1]), nil
	}
	return 0, fmt.Errorf("the DSDT's \\_S3 begins with % x, where a number up to 7 was expected", element[:min(2, len(element))])
}

// sumOf is what the bytes add up to, modulo 256.
func sumOf(b []byte) (sum byte) {
	for _, c := range b {
		sum += c
	}
	return sum
}

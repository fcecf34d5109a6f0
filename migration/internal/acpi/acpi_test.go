package acpi

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where the tables of madeUp lie.
const (
	atRSDP, atRSDT, atFADT, atFACS, atDSDT, atOther = 0xf5ad0, 0x200000, 0x200100, 0x200240, 0x200300, 0x200400
)

// madeUp is a PC's memory with the tables of a machine that can sleep.
type madeUp []byte

func newMadeUp() madeUp {
	m := make(madeUp, 0x201000)
	put := binary.LittleEndian.PutUint32
	copy(m[atRSDP:], "RSD PTR ")
	put(m[atRSDP+rsdpTable:], atRSDT)
	m.settle(atRSDP, 8, rsdpLength)

	m.table(atOther, "APIC", acpiHeader)
	m.table(atRSDT, "RSDT", acpiHeader+8)
	put(m[atRSDT+acpiHeader:], atOther)
	put(m[atRSDT+acpiHeader+4:], atFADT)
	m.table(atFADT, "FACP", 116)
	put(m[atFADT+fadtFACS:], atFACS)
	put(m[atFADT+fadtDSDT:], atDSDT)
	put(m[atFADT+fadtPM1aCNT:], 0x604)
	m.table(atFACS, "FACS", facsLength)
	m.table(atDSDT, "DSDT", 96)
	copy(m[atDSDT+acpiHeader:], "\x08_S4_\x12\x06\x04\x0a\x02\x0a\x02\x00\x08_S3_\x12\x06\x04\x01\x01\x00\x00")
	return m.settled()
}

// table begins a table, without its sum.
func (m madeUp) table(at int, signature string, length int) {
	copy(m[at:], signature)
	binary.LittleEndian.PutUint32(m[at+4:], uint32(length))
}

// settle gives bytes a sum of 0.
func (m madeUp) settle(at, sum, length int) {
	m[at+sum] = 0
	m[at+sum] = -sumOf(m[at : at+length])
}

// settled gives all tables a sum of 0.
func (m madeUp) settled() madeUp {
	for _, at := range []int{atRSDT, atFADT, atDSDT, atOther} {
		length := binary.LittleEndian.Uint32(m[at+4:])
		m.settle(at, 9, min(int(length), len(m)-at))
	}
	return m
}

func (m madeUp) ReadAt(p []byte, at int64) (int, error) { return bytes.NewReader(m).ReadAt(p, at) }

func TestSleepIsWhatTheTablesSay(t *testing.T) {
	sleep, err := FindSleep(newMadeUp())
	require.NoError(t, err)
	require.Equal(t, Sleep{Control: 0x604, Kind: 1, Vector: atFACS + 12}, sleep)
	require.Equal(t, uint16(0x2401), sleep.Order(0x0001), "what was there stays")
	require.Equal(t, uint16(0x2401), sleep.Order(0x1c01), "but the sleep before it")
}

func TestSleepTypeIsTakenFromItsPackage(t *testing.T) {
	for _, c := range []struct {
		what, code string
		kind       uint16
	}{
		{"zero", "\x12\x06\x04\x00\x00\x00\x00", 0},
		{"a byte", "\x12\x08\x04\x0a\x05\x0a\x05\x00\x00", 5},
		{"a length of two bytes", "\x12\x47\x00\x04\x01\x01\x00\x00", 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			m := newMadeUp()
			copy(m[atDSDT+acpiHeader:], "\x08_S3_"+c.code)
			sleep, err := FindSleep(m.settled())
			require.NoError(t, err)
			require.Equal(t, c.kind, sleep.Kind)
		})
	}
}

func TestSleepTypeMayBeTheLastOfItsTable(t *testing.T) {
	m := newMadeUp()
	binary.LittleEndian.PutUint32(m[atDSDT+4:], acpiHeader+22)
	sleep, err := FindSleep(m.settled())
	require.NoError(t, err)
	require.Equal(t, uint16(1), sleep.Kind)
}

func TestBrokenTablesAreNamed(t *testing.T) {
	put := binary.LittleEndian.PutUint32
	for _, c := range []struct {
		what    string
		spoil   func(m madeUp) // before the sums are made
		after   func(m madeUp)
		witness string
	}{
		{"no tables", func(m madeUp) { clear(m[atRSDP:][:8]) }, nil, "no RSDP from 0xe0000"},
		{"an RSDP with a wrong sum", func(m madeUp) { m[atRSDP+8]++ }, nil, "no RSDP"},
		{"an RSDP at an odd place", func(m madeUp) { copy(m[atRSDP+8:], bytes.Clone(m[atRSDP:][:rsdpLength])); m[atRSDP] = 0 }, nil, "no RSDP"},
		{"another table for the RSDT", func(m madeUp) { put(m[atRSDP+rsdpTable:], atOther); m.settle(atRSDP, 8, rsdpLength) }, nil, `at 0x200400 there is a table "APIC", where RSDT was expected`},
		{"an RSDT beyond memory", func(m madeUp) { put(m[atRSDP+rsdpTable:], 0xfffffff0); m.settle(atRSDP, 8, rsdpLength) }, nil, io.EOF.Error()},
		{"an RSDT with a wrong sum", nil, func(m madeUp) { m[atRSDT+9]++ }, "the bytes of the RSDT at 0x200000 add up to 0x01"},
		{"an RSDT shorter than its header", nil, func(m madeUp) { put(m[atRSDT+4:], 35) }, "says that it has 35 bytes"},
		{"an RSDT without end", nil, func(m madeUp) { put(m[atRSDT+4:], 0xffffffff) }, "says that it has 4294967295 bytes"},
		{"an RSDT of no entries", func(m madeUp) { put(m[atRSDT+4:], acpiHeader) }, nil, "the RSDT knows no table FACP"},
		{"half an entry", func(m madeUp) { put(m[atRSDT+4:], acpiHeader+6) }, nil, "the RSDT knows no table FACP"},
		{"an entry beyond memory", func(m madeUp) { put(m[atRSDT+acpiHeader:], 0xfffffff0) }, nil, io.EOF.Error()},
		{"a FADT that is cut off", func(m madeUp) { put(m[atFADT+4:], fadtLength-1) }, nil, "the FADT has 67 bytes, at least 68"},
		{"a FADT with a wrong sum", nil, func(m madeUp) { m[atFADT+fadtPM1aCNT]++ }, "the bytes of the FACP"},
		{"no port", func(m madeUp) { put(m[atFADT+fadtPM1aCNT:], 0) }, nil, "PM1a_CNT is at port 0x0"},
		{"a port that a PC can't have", func(m madeUp) { put(m[atFADT+fadtPM1aCNT:], 0x10604) }, nil, "PM1a_CNT is at port 0x10604"},
		{"no FACS", func(m madeUp) { put(m[atFADT+fadtFACS:], 0) }, nil, "where FACS"},
		{"a FACS without a vector", func(m madeUp) { put(m[atFACS+4:], 12) }, nil, `a table "FACS" of 12 bytes`},
		{"no DSDT", func(m madeUp) { put(m[atFADT+fadtDSDT:], atOther) }, nil, "where DSDT was expected"},
		{"no S3", func(m madeUp) { copy(m[atDSDT+acpiHeader:], bytes.Repeat([]byte{0}, 60)) }, nil, `no \_S3`},
		{"a name only", func(m madeUp) { put(m[atDSDT+4:], acpiHeader+18) }, nil, `\_S3 is no package`},
		{"a package that is cut off", func(m madeUp) { put(m[atDSDT+4:], acpiHeader+21) }, nil, "begins with , where"},
		{"no package", func(m madeUp) { m[atDSDT+acpiHeader+18] = 0x0a }, nil, `\_S3 is no package`},
		{"a kind that is no number", func(m madeUp) { m[atDSDT+acpiHeader+21] = 0x0d }, nil, `begins with 0d 01`},
		{"a kind that doesn't fit", func(m madeUp) { copy(m[atDSDT+acpiHeader+21:], "\x0a\x08") }, nil, `begins with 0a 08`},
	} {
		t.Run(c.what, func(t *testing.T) {
			m := newMadeUp()
			if c.spoil != nil {
				c.spoil(m)
			}
			m.settled()
			if c.after != nil {
				c.after(m)
			}
			_, err := FindSleep(m)
			require.ErrorContains(t, err, c.witness)
		})
	}
}

// FuzzSleepType holds that what is behind the name, in a table of any length, is a
// number that fits or an error.
func FuzzSleepType(f *testing.F) {
	f.Add([]byte("\x08_S3_\x12\x06\x04\x01\x01\x00\x00"))
	f.Add([]byte("\x08_S3_\x12\xc6\x00\x00\x00\x04\x01\x01"))
	f.Add([]byte("\x08_S3_\x12"))
	f.Fuzz(func(t *testing.T, dsdt []byte) {
		kind, err := sleepType(dsdt)
		if err == nil {
			require.LessOrEqual(t, kind, uint16(7))
		}
	})
}

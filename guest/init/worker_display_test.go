//go:build linux

package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A fakeVGA has the registers of one. Its colours are written and read one part after the other.
type fakeVGA struct {
	modes   [16]uint16
	colours [768]byte
	at      int
}

func (v *fakeVGA) get16(at int) uint16        { return v.modes[(at-displayModes)/2] }
func (v *fakeVGA) put16(at int, value uint16) { v.modes[(at-displayModes)/2] = value }

func (v *fakeVGA) get8(int) byte {
	v.at++
	return v.colours[v.at-1]
}

func (v *fakeVGA) put8(at int, value byte) {
	if at == displayPalette+0x3c9 {
		v.colours[v.at] = value
		v.at++
		return
	}
	v.at = 3 * int(value)
}

func TestADisplayThatChangesIsNoticed(t *testing.T) {
	w, r := aWitness(t, nil)
	v := &fakeVGA{}
	d := &display{regs: v, told: map[string]uint16{}}
	d.set()
	inBackground(t, func() {
		d.look(w) // nothing is wrong
		v.modes[1], v.colours[3*5+2] = 800, 0x3f
		d.look(w)
		d.look(w) // is not said twice
		v.modes[1] = 1024
		d.look(w)
	})
	require.Equal(t, []string{
		"the display: the mode's width changed: expected 0x280, found 0x320",
		"the display: the colour 5's part 2 changed: expected 0x3d, found 0x3f",
		"the display: the mode's width changed: expected 0x280, found 0x400",
	}, complaints(t, r, 3))
}

func TestWhatADisplayShowsIsNamedByItsPlace(t *testing.T) {
	w, r := aWitness(t, nil)
	m := &filledMemory{name: "the display's memory", bytes: make([]byte, 2*pageSize), pages: make([]filledPage, 2)}
	m.write(1)
	m.bytes[pageSize+5] ^= 1
	inBackground(t, func() { m.verify(1, w) })
	require.Regexp(t, `^the byte at 0x1005 of the display's memory is wrong: expected `, complaints(t, r, 1)[0])
}

func TestAWatchdogThatHasFiredIsComplainedOf(t *testing.T) {
	w, r := aWitness(t, nil)
	d := &watchdog{regs: make(registers, watchdogSize)}
	d.set()
	require.Equal(t, uint32(watchdogStage), binary.NativeEndian.Uint32(d.regs[watchdogSecond:]))
	inBackground(t, func() {
		require.False(t, d.look(w))
		d.regs.put16(watchdogReload, 1<<9)
		d.look(w)
		require.False(t, d.look(w))
	})
	require.Regexp(t, `^the watchdog has fired: expected it not to for 60 s after it was fed, found that 0\.\d s had passed$`, complaints(t, r, 1)[0])
}

func TestAPCIDeviceIsFoundByItsNumbers(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"0000:00:02.0/vendor": "0x1234\n", "0000:00:02.0/device": "0x1111\n", "0000:00:02.0/enable": "0\n",
		"0000:00:02.0/resource": "0x00000000fd000000 0x00000000fdffffff 0x0000000000042208\n0x0000000000000000 0x0000000000000000 0x0\n",
		"0000:00:03.0/vendor":   "0x1234\n", "0000:00:03.0/device": "0x11e8\n",
	} {
		file := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	found, err := findPCI(folder, displayVendor, displayDevice)
	require.NoError(t, err)
	require.Equal(t, "0000:00:02.0", filepath.Base(found))
	require.Equal(t, "1", readWord(found, "enable"))
	_, err = findPCI(folder, watchdogVendor, watchdogDevice)
	require.ErrorContains(t, err, "0x8086:0x25ab")
	start, err := regionStart(readWord(found, "resource"), 0)
	require.NoError(t, err)
	require.Equal(t, uint64(0xfd000000), start)
	_, err = regionStart(readWord(found, "resource"), 1)
	require.ErrorContains(t, err, "region 1 has no address")
	_, err = mapPCI(found, 7, 16)
	require.ErrorContains(t, err, "no region 7")
}

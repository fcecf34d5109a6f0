//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A fakeTPM has one PCR, one NV index and a clock. It takes commands as they must be, byte by byte.
type fakeTPM struct {
	t        *testing.T
	pcr      [sha256.Size]byte
	nv       []byte
	clock    tpmClock
	refuses  []uint32 // the next commands, with these codes
	answers  []byte   // instead of the next reply
	commands int
	reply    []byte
}

func (f *fakeTPM) Write(command []byte) (int, error) {
	f.commands++
	password := "00000009" + "40000009" + "0000" + "00" + "0000"
	owner, index := "40000001", "01d40d40"
	var body []byte
	code := binary.BigEndian.Uint32(command[6:])
	sessions := binary.BigEndian.Uint16(command) == 0x8002
	rest := hex.EncodeToString(command[tpmHeader:])
	take := func(prefix string) {
		require.True(f.t, strings.HasPrefix(rest, prefix), "%#x: %s", code, rest)
		rest = rest[len(prefix):]
	}
	if len(f.refuses) > 0 {
		f.reply = binary.BigEndian.AppendUint32([]byte{0x80, 1, 0, 0, 0, 10}, f.refuses[0])
		f.refuses = f.refuses[1:]
		return len(command), nil
	}
	switch code {
	case tpmPCRRead:
		take("00000001" + "000b" + "03" + "000001")
		body = append([]byte{0, 0, 0, 7, 0, 0, 0, 1, 0, 11, 3, 0, 0, 1, 0, 0, 0, 1, 0, 32}, f.pcr[:]...)
	case tpmPCRExtend:
		take("00000010" + password + "00000001" + "000b")
		f.pcr = sha256.Sum256(append(f.pcr[:], command[len(command)-sha256.Size:]...))
		rest = ""
	case tpmReadClock:
		body, _ = binary.Append(nil, binary.BigEndian, f.clock)
	case tpmDefineSpace:
		take(owner + password + "0000" + "000e" + index + "000b" + "02060006" + "0000" + "0040")
		if f.nv != nil {
			f.refuses = append(f.refuses, tpmNVDefined)
			return f.Write(command)
		}
		f.nv = make([]byte, tpmNVSize)
	case tpmNVWrite:
		take(owner + index + password + "0040")
		require.True(f.t, strings.HasSuffix(rest, "0000"))
		f.nv, rest = bytes.Clone(command[len(command)-2-tpmNVSize:len(command)-2]), ""
	case tpmNVRead:
		take(owner + index + password + "0040" + "0000")
		body = append([]byte{0, tpmNVSize}, f.nv...)
	default:
		require.Fail(f.t, "no such command", "%x", command)
	}
	require.Empty(f.t, rest)
	if sessions {
		body = append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
		body = append(body, 0, 0, 0, 0, 0) // the session
	}
	f.reply = append(binary.BigEndian.AppendUint32(nil, uint32(tpmHeader+len(body))), 0, 0, 0, 0)
	f.reply = append(append([]byte{0x80, 1}, f.reply...), body...)
	if f.answers != nil {
		f.reply, f.answers = f.answers, nil
	}
	return len(command), nil
}

func (f *fakeTPM) Read(p []byte) (int, error) { return copy(p, f.reply), nil }

func TestWhatATPMLostIsNoticed(t *testing.T) {
	zeros := strings.Repeat("00", sha256.Size)
	for name, c := range map[string]struct {
		fault func(f *fakeTPM)
		want  []string // how complaints begin
	}{
		"a PCR":                         {func(f *fakeTPM) { f.pcr = [sha256.Size]byte{} }, []string{"^the TPM's PCR 16 after 12 extends: expected [0-9a-f]{64}, found " + zeros + "$"}},
		"a PCR that somebody extends":   {func(f *fakeTPM) { f.pcr = sha256.Sum256(f.pcr[:]) }, []string{"^the TPM's PCR 16 after 12 extends: expected [0-9a-f]{64}, found [0-9a-f]{64}$"}},
		"an NV index":                   {func(f *fakeTPM) { clear(f.nv) }, []string{"^the TPM's NV index 0x1d40d40 after 2 writes: expected [0-9a-f]{128}, found " + zeros + zeros + "$"}},
		"all, for it was started again": {func(f *fakeTPM) { f.clock.Resets++ }, []string{`^the TPM was started again: expected reset count 1 and restart count 2, found 2 and 2$`}},
		"its state since it was saved":  {func(f *fakeTPM) { f.clock.Restarts = 3 }, []string{`^the TPM was started again: expected reset count 1 and restart count 2, found 1 and 3$`}},
		"time":                          {func(f *fakeTPM) { f.clock.Clock-- }, []string{`^the TPM's clock went back: expected 1000 ms or later, found 999 ms$`}},
		"its answer":                    {func(f *fakeTPM) { f.refuses = []uint32{0x18b} }, []string{`^the TPM, after 12 extends: expected no error, found TPM2_PCR_Read: error 0x18b$`}},
		"a reply's end":                 {func(f *fakeTPM) { f.answers = []byte{0x80, 1, 0, 0, 0, 10, 0, 0} }, []string{`found TPM2_PCR_Read: a reply that is none: 80010000000a0000$`}},
		"a digest":                      {func(f *fakeTPM) { f.answers = []byte{0x80, 1, 0, 0, 0, 11, 0, 0, 0, 0, 5} }, []string{`found TPM2_PCR_Read: expected a digest of 32 bytes, found 05$`}},
		"nothing":                       {func(*fakeTPM) {}, nil},
		"a moment":                      {func(f *fakeTPM) { f.refuses = []uint32{tpmRetry, tpmTesting} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeTPM{t: t, clock: tpmClock{Time: 5, Clock: 1000, Resets: 1, Restarts: 2}}
			w, r := aWitness(t, nil)
			watched := &watchedTPM{tpm: &tpm{wire: f}}
			require.NoError(t, watched.begin())
			for range 12 {
				watched.look(w)
			}
			inBackground(t, func() {
				c.fault(f)
				watched.look(w)
				watched.look(w) // is not said twice
				w.Complain("the end")
			})
			found := complaints(t, r, len(c.want)+1)
			require.Equal(t, "the end", found[len(c.want)])
			for i, want := range c.want {
				require.Regexp(t, want, found[i])
			}
		})
	}
}

// TestATPMThatWasThereBeforeGoesOn, as after a boot.
func TestATPMThatWasThereBeforeGoesOn(t *testing.T) {
	f := &fakeTPM{t: t, pcr: sha256.Sum256(nil)}
	for range 2 {
		w, _ := aWitness(t, nil)
		watched := &watchedTPM{tpm: &tpm{wire: f}}
		require.NoError(t, watched.begin())
		for range tpmNVOneIn {
			watched.look(w)
		}
		require.Equal(t, map[string]uint64{"verified": tpmNVOneIn, "nv-verified": tpmNVOneIn, "extended": tpmNVOneIn, "nv-written": 1}, w.counts)
	}
}

func TestATPMThatIsNeverReadyIsTriedSoOften(t *testing.T) {
	f := &fakeTPM{t: t, refuses: slices.Repeat([]uint32{tpmRetry}, 2*mostTPMTries)}
	_, err := (&tpm{wire: f}).clock()
	require.Equal(t, &tpmError{"TPM2_ReadClock", tpmRetry}, err)
	require.Equal(t, mostTPMTries, f.commands)
}

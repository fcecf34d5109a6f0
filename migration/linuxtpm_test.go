package migration_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/internal/qemutest"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// Registers of a TPM with a command response buffer (TCG PC Client Platform TPM Profile, 6.5.3).
const (
	crb         = 0xfed40000
	crbState    = crb        // of the locality
	crbLocality = crb + 0x08 // bit 0 asks for it, bit 1 gives it back
	crbRequest  = crb + 0x40 // bit 0 makes it ready, bit 1 idle
	crbStatus   = crb + 0x44
	crbStart    = crb + 0x4c
	crbBuffer   = crb + 0x80

	crbTaken = 1 << 1 // of the state
	crbIdle  = 1 << 1 // of the status
)

// tpmCommand gives the destination's TPM a command, as somebody in the guest would, at a moment in
// which the guest itself has none under way.
func tpmCommand(code uint32, body ...any) func(ctx context.Context, p *migration.Pair) error {
	var tail bytes.Buffer
	for _, part := range body {
		_ = binary.Write(&tail, binary.BigEndian, part)
	}
	const header = 10
	command := binary.BigEndian.AppendUint16(nil, 0x8002) // with a session
	command = binary.BigEndian.AppendUint32(command, uint32(header+tail.Len()))
	command = append(binary.BigEndian.AppendUint32(command, code), tail.Bytes()...)
	return func(ctx context.Context, p *migration.Pair) error {
		return migration.Poll(ctx, "the guest to leave its TPM alone", func() (done bool, err error) {
			err = paused(func(ctx context.Context, d *migration.Side) error {
				state, err := d.QTest().Readl(ctx, crbState)
				status, err2 := d.QTest().Readl(ctx, crbStatus)
				if err := errors.Join(err, err2); err != nil || state&crbTaken != 0 || status&crbIdle == 0 {
					return err
				}
				done = true
				return throughCRB(ctx, d, command)
			})(ctx, p)
			return done, err
		})
	}
}

// throughCRB gives a TPM a command through its buffer, and wants it to succeed.
func throughCRB(ctx context.Context, d *migration.Side, command []byte) error {
	q := d.QTest()
	err := errors.Join(q.Writel(ctx, crbLocality, 1), q.Writel(ctx, crbRequest, 1), q.WriteMemory(ctx, crbBuffer, command), q.Writel(ctx, crbStart, 1))
	if err != nil {
		return err
	}
	err = migration.Poll(ctx, "the TPM's reply", func() (bool, error) {
		started, err := q.Readl(ctx, crbStart)
		return started == 0, err
	})
	if err != nil {
		return err
	}
	reply := make([]byte, 10)
	if err = q.ReadMemory(ctx, crbBuffer, reply); err == nil && binary.BigEndian.Uint32(reply[6:]) != 0 {
		err = fmt.Errorf("the TPM refuses %x: %x", command, reply)
	}
	return errors.Join(err, q.Writel(ctx, crbRequest, 2), q.Writel(ctx, crbLocality, 2))
}

// tpmTamperings are done by somebody else who uses the guest's TPM: where the guest extends or
// writes before it reads again, it finds something else, or nothing.
func tpmTamperings() []linuxTampering {
	const (
		extend, reset, nvWrite = 0x182, 0x13d, 0x137
		pcr, owner, index      = uint32(16), uint32(0x40000001), uint32(0x01d40d40)
	)
	password := []byte{0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0}
	return []linuxTampering{
		{
			what: "a PCR is extended", worker: "tpm", fault: tpmCommand(extend, pcr, password, []byte{0, 0, 0, 1, 0, 11}, make([]byte, 32)),
			complaints: []string{`^the TPM's PCR 16 after [0-9]+ extends: expected [0-9a-f]{64}, found [0-9a-f]{64}` + onDestination},
		},
		{
			what: "a PCR is lost", worker: "tpm", again: tpmCommand(reset, pcr, password),
			complaints: []string{`^the TPM's PCR 16 after [0-9]+ extends: expected [0-9a-f]{64}, found 0{64}` + onDestination},
		},
		{
			what: "what was written is lost", worker: "tpm", again: tpmCommand(nvWrite, owner, index, password, uint16(64), make([]byte, 64), uint16(0)),
			complaints: []string{`^the TPM's NV index 0x1d40d40 after [0-9]+ writes: expected [0-9a-f]{128}, found 0{128}` + onDestination},
		},
		{
			what: "the TPM ends", worker: "tpm", fault: endTPM,
			complaints: []string{`^the TPM, after [0-9]+ extends: expected no error, found TPM2_[A-Za-z_]+: .*` + onDestination},
		},
	}
}

// endTPM ends the program behind the destination's TPM.
func endTPM(_ context.Context, p *migration.Pair) error {
	folder := p.Path("guest-tpm.destination")
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, file := range all {
		text, _ := os.ReadFile(file) // of one that has ended meanwhile
		if !strings.Contains(string(text), "\x00dir="+folder+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return err
		}
		return unix.Kill(pid, unix.SIGKILL)
	}
	return fmt.Errorf("no swtpm runs in %s", folder)
}

// requireTPM skips where there is none for guests.
func requireTPM(t *testing.T) {
	t.Helper()
	if fact := host.TPMEmulator(os.Getenv).Fact(); !fact.Have {
		t.Skip("no swtpm here: " + fact.Remedy)
	}
}

func TestWorkersNoticeWhatATPMLost(t *testing.T) {
	t.Parallel()
	options := linuxOptions(t, "x86_64")
	requireTPM(t)
	requireEachNoticed(t, scenario(t, "linux/tpm"), options, tpmTamperings())
}

func TestATPMWithoutItsEmulatorIsASkipThatSaysWhatHelps(t *testing.T) {
	binary := qemutest.Binary(t, "x86_64")
	t.Setenv("PATH", t.TempDir())
	s := scenario(t, "linux/precopy")
	s.Guest.Linux = &migration.Linux{Devices: []string{"tpm"}}
	for _, s := range []migration.Scenario{scenario(t, "linux/tpm"), s} {
		result := run(t, s, migration.Options{Source: binary})
		require.Equal(t, record.Skip, result.Outcome)
		require.Equal(t, "this host has no swtpm in PATH, which is behind a guest's TPM: install the package swtpm", result.Reason)
	}
	s.Needs = nil
	result := run(t, s, migration.Options{Source: binary, Arch: "s390x"})
	require.Equal(t, record.Skip, result.Outcome)
	require.Contains(t, result.Reason, "a Linux guest on s390x has no device tpm: it is for x86_64 and aarch64 and ppc64")
}

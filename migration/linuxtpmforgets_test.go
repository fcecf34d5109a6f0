package migration_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/migration"
)

// forgetfulTPM is the variable that makes this test binary a swtpm, which takes the state that QEMU
// gives it for granted and forgets it. Its value is the path of the one that does all else.
const forgetfulTPM = "DROVER_TEST_FORGETFUL_TPM"

// forget is such a swtpm, until QEMU ends the connection.
func forget(path string, args []string) error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	behind, err := net.FileConn(ours)
	if err != nil {
		return err
	}
	for i := range args {
		args[i] = strings.Replace(args[i], ",fd=3", ",clientfd=3", 1)
	}
	cmd := exec.Command(path, args...)
	cmd.Stderr, cmd.ExtraFiles = os.Stderr, []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = theirs.Close()
	for err == nil {
		err = passOn(conn.(*net.UnixConn), behind.(*net.UnixConn))
	}
	return errors.Join(err, behind.Close(), cmd.Wait())
}

// passOn passes a command and its reply on, unless it sets the state. QEMU awaits each reply.
func passOn(qemu, swtpm *net.UnixConn) error {
	const setState = 0x0d // CMD_SET_STATEBLOB, with flags, a type and a length
	command, rights := make([]byte, 4096), make([]byte, 256)
	n, with, _, _, err := qemu.ReadMsgUnix(command, rights)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return err
	}
	if n >= 16 && binary.BigEndian.Uint32(command) == setState {
		rest := int64(binary.BigEndian.Uint32(command[12:])) - int64(n-16)
		if _, err := io.CopyN(io.Discard, qemu, rest); err != nil {
			return err
		}
		_, err := qemu.Write(make([]byte, 4)) // done
		return err
	}
	if _, _, err = swtpm.WriteMsgUnix(command[:n], rights[:with], nil); err != nil {
		return err
	}
	if n, err = swtpm.Read(command); err != nil {
		return err
	}
	_, err = qemu.Write(command[:n])
	return err
}

// TestATPMThatArrivesEmptyIsNoticed by the guest: nobody has told it to start.
func TestATPMThatArrivesEmptyIsNoticed(t *testing.T) {
	options := linuxOptions(t, "x86_64")
	requireTPM(t)
	folder, path := t.TempDir(), host.TPMEmulator(os.Getenv).Path
	own, err := os.Executable()
	require.NoError(t, err)
	text := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *guest-tpm.destination*) exec env %s=%s %s \"$@\";; esac\nexec %s \"$@\"\n", forgetfulTPM, path, own, path)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "swtpm"), []byte(text), 0o700))
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	requireLinuxFails(t, "linux/tpm", options, func(context.Context, *migration.Pair) error { return nil }, "linux tpm", `^the TPM, after [0-9]+ extends: expected no error, found TPM2_\w+: error 0x100`)
}

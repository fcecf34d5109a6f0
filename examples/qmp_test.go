package examples

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/launchertest"
	"github.com/drover-vm/drover/protocol/qmp"
)

// runState is what a program of three lines does with the QMP socket of a QEMU that
// somebody else started.
func runState(ctx context.Context, socket string) (string, error) {
	session, err := qmp.Dial(ctx, "unix", socket, qmp.Options{}) // waits until the monitor listens, or ctx ends
	if err != nil {
		return "", err
	}
	defer session.Close()
	var reply struct{ Status string }
	err = session.Execute(ctx, "query-status", nil, &reply)
	return reply.Status, err
}

func TestQMPSocketIsAsked(t *testing.T) {
	folder, err := launcher.NewPrivateFolder() // t.TempDir may be too long for a socket's path
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, folder.Remove()) })
	socket := filepath.Join(folder.Path(), "qmp")
	launchertest.Start(t, launcher.Config{Args: []string{"-S", "-qmp", "unix:" + socket + ",server=on,wait=off"}})

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	state, err := runState(ctx, socket)
	require.NoError(t, err)
	require.Equal(t, "prelaunch", state)
}

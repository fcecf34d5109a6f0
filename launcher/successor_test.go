package launcher_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/fakeprocess"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qapi"
)

// succession starts a fake that executes its successor when it is told to migrate.
func succession(t *testing.T, successor func(p *fakeprocess.Process)) *launcher.VM {
	t.Helper()
	next := fakeprocess.Binary(t, successor)
	var vm *launcher.VM
	vm = onFake(t, launcher.Config{Name: "source", Successor: &launcher.Config{Name: "destination", Binary: next}}, func(p *fakeprocess.Process) {
		p.Handle("migrate", func(fakeqemu.Command) (any, error) {
			p.Exec(vm.SuccessorCommand())
			return nil, nil
		})
	})
	return vm
}

func TestQEMUThatIsExecutedInTheOthersPlaceIsAVMOfItsOwn(t *testing.T) {
	source := succession(t, func(p *fakeprocess.Process) {
		go func() { _, _ = p.Console.Write([]byte("arrived")) }()
	})
	require.NoError(t, source.QMP().Execute(t.Context(), "migrate", nil, nil))
	destination, err := source.Succeed(t.Context())
	require.NoError(t, err)

	require.Equal(t, source.PID(), destination.PID())
	require.Equal(t, "destination", destination.Name())
	status, err := qapi.QueryStatus(t.Context(), destination.QMP())
	require.NoError(t, err)
	require.NotEmpty(t, status.Status)
	_, err = destination.Console().Wait(t.Context(), 0, "arrived")
	require.NoError(t, err)

	_, err = qapi.QueryStatus(t.Context(), source.QMP())
	require.ErrorAs(t, err, new(*launcher.ReplacedError))
	require.ErrorContains(t, err, "source has executed another QEMU in its place")
	require.NoError(t, destination.Quit(t.Context()))
	require.NoError(t, source.Quit(t.Context()), "it is the same process")
}

func TestCloseEndsTheQEMUThatWasExecutedInItsPlace(t *testing.T) {
	source := succession(t, func(*fakeprocess.Process) {})
	require.NoError(t, source.QMP().Execute(t.Context(), "migrate", nil, nil))
	destination, err := source.Succeed(t.Context())
	require.NoError(t, err)
	require.NoError(t, source.Close())
	require.NotNil(t, destination.ExitState())
	require.True(t, destination.ExitState().Success(), "it was told to quit")
	require.NoError(t, destination.Close())
}

func TestEndOfAQEMUThatWasExecutedIsItsOwn(t *testing.T) {
	source := succession(t, func(p *fakeprocess.Process) {
		p.Handle("stop", func(fakeqemu.Command) (any, error) { go p.Exit(7); return nil, nil })
	})
	require.NoError(t, source.QMP().Execute(t.Context(), "migrate", nil, nil))
	destination, err := source.Succeed(t.Context())
	require.NoError(t, err)
	_ = destination.QMP().Execute(t.Context(), "stop", nil, nil) // may be answered, or not
	<-destination.Exited()
	err = destination.QMP().Execute(t.Context(), "stop", nil, nil)
	require.ErrorContains(t, err, "(destination) exited: exit status 7")
	require.ErrorContains(t, source.Close(), "(destination) exited: exit status 7")
}

func TestQEMUWhoseSuccessorNeverComesEndsAsAnyOther(t *testing.T) {
	source := succession(t, func(*fakeprocess.Process) {})
	require.NotEmpty(t, source.SuccessorCommand())
	require.NoError(t, source.Quit(t.Context()))
}

func TestSuccessorIsRefused(t *testing.T) {
	binary := fakeprocess.Binary(t, func(*fakeprocess.Process) {})
	for want, c := range map[string]launcher.Config{
		"can't have backends":    {Binary: binary, Backends: []launcher.Backend{{Name: "tpm", Binary: binary}}},
		"can't have a successor": {Binary: binary, Successor: &launcher.Config{}},
		"negative":               {Binary: binary, KeptBytes: -1},
	} {
		_, err := launcher.Launch(t.Context(), launcher.Config{Binary: binary, Successor: &c})
		require.ErrorContains(t, err, want)
	}
	vm := launch(t, launcher.Config{Binary: binary})
	require.Nil(t, vm.SuccessorCommand())
	_, err := vm.Succeed(t.Context())
	require.ErrorContains(t, err, "vm was started without a successor")
}

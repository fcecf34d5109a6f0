package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// describePatience bounds the description of one machine, which takes a second.
const describePatience = 30 * time.Second

// Preflight predicts what becomes of a guest that moves from the source to the
// destination, without moving one: each QEMU is started with the machine that a
// scenario would have, and says what it would send of it. The error says that one
// of them could not be asked.
func Preflight(ctx context.Context, o Options) (*preflight.Report, error) {
	var all Describer
	return all.Preflight(ctx, o)
}

// A Describer predicts for many pairs, and asks each QEMU once for each machine
// type. Its zero value is ready; its methods may be called at once.
type Describer struct {
	mu    sync.Mutex
	known map[described]*answer
}

// described is what an answer belongs to.
type described struct{ binary, machine, accel, arch, args string }

type answer struct {
	once        sync.Once
	description *preflight.Description
	err         error
}

// Preflight is [Preflight], with what is known already.
func (a *Describer) Preflight(ctx context.Context, o Options) (*preflight.Report, error) {
	o.defaults()
	if err := o.settleMachine(ctx); err != nil {
		return nil, err
	}
	if _, err := o.settleAccel(ctx, ""); err != nil {
		return nil, err
	}
	var sides [2]*preflight.Description
	for i, binary := range []string{o.Source, o.Destination} {
		d, err := a.describe(ctx, binary, o)
		if err != nil {
			return nil, err
		}
		sides[i] = d
	}
	return preflight.Compare(sides[0], sides[1]), nil
}

func (a *Describer) describe(ctx context.Context, binary string, o Options) (*preflight.Description, error) {
	key := described{binary, o.Machine, o.Accel, o.Arch, fmt.Sprintf("%q", o.Args)}
	a.mu.Lock()
	if a.known == nil {
		a.known = map[described]*answer{}
	}
	one := a.known[key]
	if one == nil {
		one = &answer{}
		a.known[key] = one
	}
	a.mu.Unlock()
	one.once.Do(func() { one.description, one.err = Describe(ctx, binary, o) })
	return one.description, one.err
}

// Describe asks a QEMU what it says of the machine that the options name. A
// machine that it does not start, or does not send, is described as such.
func Describe(ctx context.Context, binary string, o Options) (*preflight.Description, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, describePatience, fmt.Errorf("it did not describe its machine within %s", describePatience))
	defer cancel()
	o.defaults()
	info, err := probe.Inspect(ctx, binary)
	if err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	d := &preflight.Description{
		Version: info.Version.String(), Machine: o.machineOf(info.Machines), Offers: info.Devices,
		Capabilities: slices.Sorted(maps.Keys(info.Capabilities)),
	}
	for _, m := range info.Machines {
		d.Machines = append(d.Machines, m.Name)
	}
	if !slices.Contains(d.Machines, d.Machine) {
		return d, nil
	}
	text, err := probe.VMState(ctx, binary, d.Machine)
	if err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	if d.Types, err = preflight.ParseTypes(text); err != nil {
		return nil, err
	}
	return d, o.describeStream(ctx, binary, d)
}

// machineOf is the machine type without its options, under its own name.
func (o Options) machineOf(machines []probe.Machine) string {
	wanted, _, _ := strings.Cut(o.Machine, ",")
	for _, m := range machines {
		switch {
		case m.Name == wanted && m.Alias != "":
			return m.Alias
		case wanted == "" && m.Default:
			return cmp.Or(m.Alias, m.Name)
		}
	}
	return wanted
}

// describeStream starts the QEMU with its guest not running, and takes what it
// sends.
func (o Options) describeStream(ctx context.Context, binary string, d *preflight.Description) error {
	private, err := launcher.NewPrivateFolder()
	if err != nil {
		return fmt.Errorf("migration: %w", err)
	}
	defer private.Remove()
	program, err := fixtures.For(o.Arch)
	if err != nil {
		return err
	}
	vm, err := launcher.Launch(ctx, launcher.Config{
		Binary: binary, Arch: o.Arch, Name: SourceName, Machine: o.Machine, Accel: o.Accel, Program: &program,
		Args: append(slices.Clone(o.Args), "-S"),
	})
	if exit, ok := errors.AsType[*launcher.ExitError](err); ok && ctx.Err() == nil && exit.Stderr != "" {
		d.NotStarted = lastWords(exit.Stderr)
		return nil
	}
	if err != nil {
		return fmt.Errorf("migration: %w", err)
	}
	defer vm.Close()
	tree, err := qapi.HumanMonitor(ctx, vm.QMP(), "info qtree")
	if err != nil {
		return err
	}
	blocks, err := qapi.HumanMonitor(ctx, vm.QMP(), "info ramblock")
	if err != nil {
		return err
	}
	d.Devices, d.Blocks = preflight.ParseDevices(tree), preflight.ParseBlocks(blocks)
	if d.Queues, err = queuesOf(ctx, vm); err != nil {
		return err
	}
	stream, refused, err := streamOf(ctx, vm, filepath.Join(private.Path(), "stream"))
	if err != nil {
		return fmt.Errorf("migration: asking %s for its stream: %w", binary, err)
	}
	if d.Refused = refused; refused != "" {
		return nil
	}
	d.Sections, err = preflight.ParseStream(stream)
	return err
}

// lastWords is the last line that a QEMU wrote, without its name.
func lastWords(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if name, words, ok := strings.Cut(last, ": "); ok && !strings.Contains(name, " ") {
		return words
	}
	return last
}

// queuesOf asks for the sizes of the virtio devices' queues, which a QEMU before 7.2
// does not tell.
func queuesOf(ctx context.Context, vm *launcher.VM) (all []preflight.Queue, err error) {
	var devices []struct{ Path, Name string }
	if err := vm.QMP().Execute(ctx, "x-query-virtio", nil, &devices); err != nil {
		return nil, refusedOnly(err)
	}
	for _, device := range devices {
		for number := 0; ; number++ {
			var queue struct {
				Size int `json:"vring-num"`
			}
			asked := map[string]any{"path": device.Path, "queue": number}
			if err := vm.QMP().Execute(ctx, "x-query-virtio-queue-status", asked, &queue); err != nil {
				if err := refusedOnly(err); err != nil {
					return nil, err
				}
				break // there is no such queue
			}
			all = append(all, preflight.Queue{Device: device.Path, Name: device.Name, Number: number, Size: queue.Size})
		}
	}
	return all, nil
}

// refusedOnly lets pass only errors other than QEMU's own answer.
func refusedOnly(err error) error {
	if _, refused := errors.AsType[*qmp.Error](err); refused {
		return nil
	}
	return err
}

// streamOf takes the whole stream of a guest that does not run, or QEMU's word
// why it does not send one.
func streamOf(ctx context.Context, vm *launcher.VM, path string) (stream []byte, refused string, err error) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, "", err
	}
	defer listener.Close()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	if err := qapi.Migrate(ctx, vm.QMP(), qapi.MigrateArguments{URI: "unix:" + path}); err != nil {
		if refusal, ok := errors.AsType[*qmp.Error](err); ok {
			return nil, refusal.Desc, nil
		}
		return nil, "", err
	}
	conn, err := listener.Accept()
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if stream, err = io.ReadAll(conn); err != nil {
		return nil, "", err
	}
	var info qapi.MigrationInfo
	err = Poll(ctx, "the end of the migration", func() (bool, error) {
		info, err = qapi.QueryMigrate(ctx, vm.QMP())
		return info.Status == qapi.MigrationCompleted || ended(info.Status), err
	})
	if err == nil && info.Status != qapi.MigrationCompleted {
		return nil, fmt.Sprintf("its migration status is %s %s", info.Status, info.ErrorDesc), nil
	}
	return stream, "", err
}

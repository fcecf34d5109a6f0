package steps

import (
	"context"
	"fmt"
	"strings"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
)

// A disk that the two sides don't share is moved beside the guest, by a job of the source's that
// copies it to the destination over NBD and goes on with what the guest writes, as libvirt's
// --copy-storage-all does.
func mirrorVerbs() migration.Vocabulary {
	var local []string
	for _, d := range guest.Devices() {
		if d.Node != "" {
			local = append(local, d.Name)
		}
	}
	return migration.Vocabulary{
		{
			Name: "mirror", Args: "DEVICE",
			Doc: "Has the destination export its own image of that disk of a Linux guest's over NBD, and the source copy its own there and go on with what the guest writes (blockdev-mirror); waits until both are the same (BLOCK_JOB_READY); the disk is " +
				strings.Join(local, " or ") + ".",
			Example: "mirror virtio-blk-local",
			Step:    func(a *migration.Args) migration.Step { return Mirror(a.OneOf("a disk", local...)) },
		},
		{
			Name: "end mirror", Doc: "Has the source end the mirror (block-job-cancel) once the destination has all that the guest has written (BLOCK_JOB_COMPLETED), and disconnect from it.",
			Example: "end mirror", Step: do(EndMirror),
		},
	}
}

// What the mirror is called on the source, and where the destination exports its image.
const (
	mirrorJob    = "mirror"
	mirrorSocket = "mirror.sock"
)

// Mirror begins to copy a disk of which each side has an image of its own to the destination, and
// returns when the two are the same. The device is one of package guest's.
func Mirror(device string) migration.Step {
	return migration.Step{Name: "mirror " + device, Wants: []string{"boot"}, Gives: []string{"mirror"}, Do: func(ctx context.Context, p *migration.Pair) error {
		d, err := guest.DeviceOf(device)
		if err != nil {
			return err
		}
		if p.Destination == nil {
			return errNoDestination
		}
		address := map[string]any{"type": "unix", "data": map[string]any{"path": p.Path(mirrorSocket)}}
		if err := p.Destination.Execute(ctx, "nbd-server-start", map[string]any{"addr": address}); err != nil {
			return err
		}
		export := map[string]any{"type": "nbd", "id": mirrorJob, "node-name": d.Node, "name": device, "writable": true}
		if err := p.Destination.Execute(ctx, "block-export-add", export); err != nil {
			return err
		}
		there := map[string]any{
			"driver": "nbd", "node-name": mirrorJob, "export": device,
			"server": map[string]any{"type": "unix", "path": p.Path(mirrorSocket)},
		}
		if err := qapi.BlockdevAdd(ctx, p.Source.QMP(), there); err != nil {
			return err
		}
		since := p.Source.QMP().Mark()
		if err := p.Source.Execute(ctx, "blockdev-mirror", map[string]any{"job-id": mirrorJob, "device": d.Node, "target": mirrorJob, "sync": "full"}); err != nil {
			return err
		}
		return awaitMirror(ctx, p, since, "BLOCK_JOB_READY")
	}}
}

// EndMirror ends the job once the destination has all that the guest has written: it is paused, or
// goes on writing to the source's image only.
func EndMirror() migration.Step {
	return migration.Step{Name: "end mirror", Wants: []string{"mirror"}, Do: func(ctx context.Context, p *migration.Pair) error {
		since := p.Source.QMP().Mark()
		if err := p.Source.Execute(ctx, "block-job-cancel", map[string]any{"device": mirrorJob}); err != nil {
			return err
		}
		if err := awaitMirror(ctx, p, since, "BLOCK_JOB_COMPLETED"); err != nil {
			return err
		}
		return p.Source.Execute(ctx, "blockdev-del", map[string]any{"node-name": mirrorJob})
	}}
}

// awaitMirror waits for an event of the mirror's, and fails where it ends otherwise, or with an
// error.
func awaitMirror(ctx context.Context, p *migration.Pair, since migration.Mark, name string) error {
	event, err := p.Source.AwaitFrom(ctx, since, name, func(e qmp.Event) bool {
		switch e.Name {
		case name, "BLOCK_JOB_COMPLETED", "BLOCK_JOB_CANCELLED", "BLOCK_JOB_ERROR":
			return true
		}
		return false
	})
	if err != nil {
		return err
	}
	if event.Name != name || strings.Contains(string(event.Data), `"error"`) {
		return fmt.Errorf("the mirror: expected %s, found %s %s", name, event.Name, event.Data)
	}
	return nil
}

package migration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration/internal/link"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// One image serves both sides, as on storage that two hosts share: only who has the
// guest may write to it, and QEMU locks it.
func disks() []Scenario { return []Scenario{diskMoves, diskFlush, diskSwitchover} }

var diskMoves = Scenario{
	Name:  "disk/plain",
	Doc:   "an image on shared storage: who has the guest holds it, and what was written before is there after",
	Needs: []Need{PC},
	Story: Steps{
		atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		CreateImage(), AttachImage(), AttachImageOnDestination(), WriteImage(),
		Boot(), Listen(Unix), Migrate(), AwaitSwitchover(),
		ReadImage(), RewriteImage(),
	},
}

var diskFlush = Scenario{
	Name:  "fault/disk/flush",
	Doc:   "the storage fails when the guest has stopped to switch over: it runs on, writes on, and moves when the storage is well",
	Needs: []Need{PC},
	Story: slices.Concat(
		Steps{
			atAnyDowntime(), Set(MaxBandwidth, 1*GB),
			CreateImage(), AttachFailingImage(), AttachImageOnDestination(), WriteImage(),
			Boot(), Listen(Unix), FailFlush(), Migrate(),
		},
		returns(ReadImageOnSource()), Steps{AttachImageOnDestination()}, move(),
		Steps{ReadImage(), RewriteImage()},
	),
}

var diskSwitchover = Scenario{
	Name:  "fault/disk/switchover",
	Doc:   "the connection closes when the source has let go of the image: it takes it back with the guest, writes on, and moves at the second attempt",
	Needs: []Need{PC, {Capability: ReturnPath}},
	Story: slices.Concat(
		Steps{CreateImage(), AttachImage(), AttachImageOnDestination(), WriteImage()},
		injuredSwitchover(link.Fault{After: deviceSection, Do: link.Cut}),
		returns(SeeImageHeld(), ReadImageOnSource()), Steps{AttachImageOnDestination()}, move(),
		Steps{ReadImage(), RewriteImage()},
	),
}

// The image is a file in the run's folder, and a block node of that name.
const (
	image     = "disk"
	imageSize = 64 << 20
)

// The patterns that are written to the image, by whom.
const (
	sourcePattern      = 0x5a
	destinationPattern = 0xa5
)

// CreateImage makes an empty qcow2 image, by the source's blockdev-create.
func CreateImage() Step {
	return Step{Name: "create an image", Do: func(ctx context.Context, p *Pair) error {
		if err := os.WriteFile(p.path(image), nil, 0o600); err != nil {
			return err
		}
		const file, job = "new", "create"
		if err := p.Source.addNode(ctx, map[string]any{"driver": "file", "node-name": file, "filename": p.path(image)}); err != nil {
			return err
		}
		since := p.Source.QMP().Mark()
		options := map[string]any{"driver": "qcow2", "file": file, "size": imageSize}
		if err := p.Source.QMP().Execute(ctx, "blockdev-create", map[string]any{"job-id": job, "options": options}, nil); err != nil {
			return err
		}
		_, err := p.Source.QMP().WaitFunc(ctx, since, func(e qmp.Event) bool {
			return e.Name == "JOB_STATUS_CHANGE" && strings.Contains(string(e.Data), `"concluded"`)
		})
		if err != nil {
			return fmt.Errorf("waiting for blockdev-create to conclude: %w", err)
		}
		if err := p.Source.QMP().Execute(ctx, "job-dismiss", map[string]any{"id": job}, nil); err != nil {
			return err
		}
		return p.Source.QMP().Execute(ctx, "blockdev-del", map[string]any{"node-name": file}, nil)
	}}
}

// AttachImage gives the source the image.
func AttachImage() Step {
	return Step{Name: "attach the image to the source", Do: func(ctx context.Context, p *Pair) error {
		return p.Source.addDiskStanding(ctx, p.imageNode())
	}}
}

// AttachImageOnDestination gives the destination the image, which it may not touch
// before the guest is there.
func AttachImageOnDestination() Step {
	return Step{Name: "attach the image to the destination", Do: func(ctx context.Context, p *Pair) error {
		return p.Destination.addDisk(ctx, p.imageNode())
	}}
}

// AttachFailingImage gives the source the image on storage whose next flush fails
// (docs/devel/blkdebug.rst in QEMU).
func AttachFailingImage() Step {
	return Step{Name: "attach the image to the source, on storage that fails once", Do: func(ctx context.Context, p *Pair) error {
		node := p.imageNode()
		const noSpace = 28 // ENOSPC
		node["file"] = map[string]any{
			"driver": "blkdebug", "image": node["file"],
			"inject-error": []any{map[string]any{"event": "flush_to_disk", "errno": noSpace, "once": true}},
		}
		return p.Source.addDiskStanding(ctx, node)
	}}
}

// FailFlush says that the migration which comes is injured.
func FailFlush() Step {
	return faultNow("let the storage fail", "bereft of its storage", func(context.Context, *Pair) error { return nil })
}

func (p *Pair) imageNode() map[string]any {
	return map[string]any{
		"driver": "qcow2", "node-name": image,
		"file": map[string]any{"driver": "file", "filename": p.path(image)},
	}
}

// addDisk gives the guest a disk.
func (s *Side) addDisk(ctx context.Context, node map[string]any) error {
	if err := s.addNode(ctx, node); err != nil {
		return err
	}
	return s.QMP().Execute(ctx, "device_add", map[string]any{
		"driver": "virtio-blk-pci", "drive": image, "id": "disk0", "share-rw": true, // with who writes below
	}, nil)
}

// addDiskStanding is the same with the guest stopped: 5.2's device_add waits for ever for a
// processor whose guest takes no interrupts, and so never leaves TCG's loop.
func (s *Side) addDiskStanding(ctx context.Context, node map[string]any) error {
	if err := qapi.Stop(ctx, s.QMP()); err != nil {
		return err
	}
	if err := s.addDisk(ctx, node); err != nil {
		return err
	}
	return qapi.Cont(ctx, s.QMP())
}

func (s *Side) addNode(ctx context.Context, node map[string]any) error {
	return s.QMP().Execute(ctx, "blockdev-add", node, nil)
}

// WriteImage writes to the image through the source.
func WriteImage() Step {
	return imageStep("write to the image", (*Pair).source, fmt.Sprintf("write -P %#x 0 1M", sourcePattern))
}

// SeeImageHeld demands that the source has taken the image back with the guest, where
// QEMU says so: since 10.0.
func SeeImageHeld() Step {
	return Step{Name: "see the source hold the image", Do: func(ctx context.Context, p *Pair) error {
		var nodes []struct {
			Name   string `json:"node-name"`
			Active *bool
		}
		if err := p.Source.QMP().Execute(ctx, "query-named-block-nodes", map[string]any{"flat": true}, &nodes); err != nil {
			return err
		}
		for _, n := range nodes {
			if n.Name == image && n.Active != nil && !*n.Active {
				return errors.New("the guest runs on the source again, whose image is still inactive")
			}
		}
		return nil
	}}
}

// ReadImageOnSource demands that the source can read and write what it has written.
func ReadImageOnSource() Step {
	return imageStep("read the image on the source, and write to it", (*Pair).source,
		fmt.Sprintf("read -P %#x 0 1M", sourcePattern), fmt.Sprintf("write -P %#x 1M 64k", sourcePattern))
}

// ReadImage demands that the destination reads what the source has written.
func ReadImage() Step {
	return imageStep("read the image on the destination", (*Pair).destination, fmt.Sprintf("read -P %#x 0 1M", sourcePattern))
}

// RewriteImage demands that the destination can write to the image.
func RewriteImage() Step {
	return imageStep("write to the image on the destination", (*Pair).destination,
		fmt.Sprintf("write -P %#x 0 64k", destinationPattern), "flush", fmt.Sprintf("read -P %#x 0 64k", destinationPattern))
}

func (p *Pair) source() *Side      { return p.Source }
func (p *Pair) destination() *Side { return p.Destination }

// imageStep does to the image, on one side, what qemu-io's commands say.
func imageStep(name string, side func(*Pair) *Side, commands ...string) Step {
	return Step{Name: name, Do: func(ctx context.Context, p *Pair) error {
		s := side(p)
		for _, command := range commands {
			said, err := qapi.HumanMonitor(ctx, s.QMP(), fmt.Sprintf("qemu-io %s \"%s\"", image, command))
			if err != nil {
				return err
			}
			// The commands' own words are printed to the process's output; the monitor
			// says only what went wrong.
			if said = strings.TrimSpace(said); said != "" {
				return fmt.Errorf("%s on the %s's image: %s", command, s.Name(), said)
			}
		}
		return nil
	}}
}

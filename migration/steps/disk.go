package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

// One image serves both sides, as on storage that two hosts share: only the side with the
// guest may write to it, and QEMU locks it.
func diskVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "create image",
			Doc:     "Makes an empty qcow2 image of 64 MiB in the run's folder, by the source's blockdev-create.",
			Example: "create image", Step: do(CreateImage),
		},
		{
			Name: "attach image", Args: "[failing]", Sides: migration.OnSource,
			Doc:     "Gives a side's guest the image as a virtio-blk disk; failing, on storage whose next flush fails once with ENOSPC.",
			Example: "destination: attach image",
			Step: func(a *migration.Args) migration.Step {
				return AttachImage(a.Side(), a.Option("failing"))
			},
		},
		{
			Name: "qemu-io", Args: "COMMAND", Sides: migration.OnSource,
			Doc:     "Has a command of qemu-io carried out on the image, on a side; one that fails, as a read does that finds another pattern, fails the step.",
			Example: `destination: qemu-io "read -P 0x5a 0 1M"`,
			Step: func(a *migration.Args) migration.Step {
				command := a.Word("the command, in quotes")
				if strings.ContainsAny(command, "\"\\\n") {
					a.Fail("%q has quotes, backslashes or line ends, which no command of qemu-io needs here", command)
				}
				return QemuIO(a.Side(), command)
			},
		},
		{
			Name:    "fail storage",
			Doc:     "Says that the fault of the migration which comes is the one of the failing image.",
			Example: "fail storage", Step: do(FailStorage),
		},
		{
			Name:    "expect image-active",
			Doc:     "The source has activated the image again, together with its guest, where QEMU reports that (since 10.0).",
			Example: "expect image-active", Step: do(ExpectImageActive),
		},
	}
}

// The image is a file in the run's folder, and a block node.
const (
	imageFile = "disk.qcow2"
	imageNode = "disk"
	imageSize = 64 << 20
)

// CreateImage makes an empty qcow2 image, by the source's blockdev-create.
func CreateImage() migration.Step {
	return step("create image", func(ctx context.Context, p *migration.Pair) error {
		path := p.Path(imageFile)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		const file, job = "new", "create"
		if err := qapi.BlockdevAdd(ctx, p.Source.QMP(), map[string]any{"driver": "file", "node-name": file, "filename": path}); err != nil {
			return err
		}
		options := map[string]any{"driver": "qcow2", "file": file, "size": imageSize}
		if err := runJob(ctx, p.Source, "blockdev-create", map[string]any{"job-id": job, "options": options}); err != nil {
			return err
		}
		return p.Source.Execute(ctx, "blockdev-del", map[string]any{"node-name": file})
	})
}

// AttachImage gives a side, [migration.SourceName] or [migration.DestinationName], the image;
// a destination may not touch it before the guest is there. The next flush of failing storage
// fails (docs/devel/blkdebug.rst in QEMU).
func AttachImage(side string, failing bool) migration.Step {
	name := "attach image"
	if failing {
		name += " failing"
	}
	attach := onImage("create image", onSide(side, name), func(ctx context.Context, p *migration.Pair) error {
		return each(p, side, func(s *migration.Side) error {
			node := imageOf(p, failing)
			driver := "virtio-blk-pci"
			if p.Facts.Arch == "s390x" {
				driver = "virtio-blk-ccw"
			}
			if s == p.Destination {
				return addDisk(ctx, s, driver, p.Program.PCIPort, node)
			}
			return addDiskPaused(ctx, s, driver, p.Program.PCIPort, node)
		})
	})
	attach.Plugs = true
	attach.Gives = []string{"attach image", name}
	return attach
}

// onSide is the line of a verb that is about the source where no side is before it.
func onSide(side, line string) string {
	if side == migration.SourceName {
		return line
	}
	return side + ": " + line
}

// onImage is a step that wants the image to have been created, or attached.
func onImage(wants, name string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{wants}, Do: do}
}

// imageOf is the image as blockdev-add takes it.
func imageOf(p *migration.Pair, failing bool) map[string]any {
	file := map[string]any{"driver": "file", "filename": p.Path(imageFile)}
	if failing {
		const noSpace = 28 // ENOSPC
		file = map[string]any{
			"driver": "blkdebug", "image": file,
			"inject-error": []any{map[string]any{"event": "flush_to_disk", "errno": noSpace, "once": true}},
		}
	}
	return map[string]any{"driver": "qcow2", "node-name": imageNode, "file": file}
}

// addDisk gives a guest a disk, on a PCI port where it isn't "".
func addDisk(ctx context.Context, s *migration.Side, driver, port string, node map[string]any) error {
	if err := qapi.BlockdevAdd(ctx, s.QMP(), node); err != nil {
		return err
	}
	properties := map[string]any{
		"drive": imageNode, "share-rw": true, // with qemu-io beside it
	}
	if port != "" {
		properties["bus"] = port
	}
	return qapi.DeviceAdd(ctx, s.QMP(), driver, "disk0", properties)
}

// addDiskPaused is addDisk with the guest paused: 5.2's device_add waits for ever for a
// vCPU whose guest takes no interrupts, and so never leaves TCG's loop.
func addDiskPaused(ctx context.Context, s *migration.Side, driver, port string, node map[string]any) error {
	if err := qapi.Stop(ctx, s.QMP()); err != nil {
		return err
	}
	if err := addDisk(ctx, s, driver, port, node); err != nil {
		return err
	}
	return qapi.Cont(ctx, s.QMP())
}

// QemuIO has a command of qemu-io carried out on the image, through a side:
// [migration.SourceName] or [migration.DestinationName].
func QemuIO(side, command string) migration.Step {
	return onImage("attach image", onSide(side, fmt.Sprintf("qemu-io %q", command)), func(ctx context.Context, p *migration.Pair) error {
		return each(p, side, func(s *migration.Side) error {
			reply, err := qapi.HumanMonitor(ctx, s.QMP(), fmt.Sprintf("qemu-io %s \"%s\"", imageNode, command))
			if err != nil {
				return err
			}
			// What the command prints goes to the process's output; the monitor replies only
			// with what went wrong.
			if reply = strings.TrimSpace(reply); reply != "" {
				return fmt.Errorf("%s on the %s's image: %s", command, s.Name(), reply)
			}
			return nil
		})
	})
}

// FailStorage says that the fault of the migration which comes is the one of the failing
// image.
func FailStorage() migration.Step {
	fail := faultNow("fail storage", "left without its storage", func(context.Context, *migration.Pair) error { return nil })
	fail.Wants = []string{"attach image failing"}
	return fail
}

// ExpectImageActive demands that the source has activated the image again with the guest,
// where QEMU reports that: since 10.0.
func ExpectImageActive() migration.Step {
	return onImage("attach image", "expect image-active", func(ctx context.Context, p *migration.Pair) error {
		var nodes []struct {
			Name   string `json:"node-name"`
			Active *bool
		}
		if err := p.Source.QMP().Execute(ctx, "query-named-block-nodes", map[string]any{"flat": true}, &nodes); err != nil {
			return err
		}
		for _, n := range nodes {
			if n.Name == imageNode && n.Active != nil && !*n.Active {
				return errors.New("the guest runs on the source again, whose image is still inactive")
			}
		}
		return nil
	})
}

package launcher

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/qapi"
)

// A Dump is a copy of a guest's memory, for reading only, until Close.
type Dump struct {
	Start uint64 // guest-physical address of Bytes[0]
	Bytes []byte

	done func()
}

// Close gives the copy's memory back. Bytes must not be touched afterwards.
func (d *Dump) Close() error {
	err := unix.Munmap(d.Bytes)
	d.Bytes = nil
	d.done()
	return err
}

// memory makes a file that lives in memory only, and goes with its last
// descriptor however we end.
func (v *VM) memory(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	v.closers = append(v.closers, func() { _ = f.Close() })
	return f, nil
}

// share gives QEMU a copy of the descriptor, and returns the path under which
// QEMU can open the file.
func (v *VM) share(f *os.File) (string, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Name(), err)
	}
	return "/dev/fd/" + v.argv.inherit(os.NewFile(uintptr(fd), f.Name())), nil
}

// offerDump prepares the file that QEMU will write a guest's memory into.
func (v *VM) offerDump() (err error) {
	if v.dumpFile, err = v.memory("drover-dump"); err != nil {
		return err
	}
	v.dumpPath, err = v.share(v.dumpFile)
	return err
}

// Dump copies guest-physical memory from start on with QMP's pmemsave, which
// is the fastest command for it that every QEMU has; Memory reads without a copy, and
// faster. A guest that runs goes on running,
// so for a consistent copy it has to be stopped. A VM makes one dump at a
// time: the next waits until the last is closed, or its context ends.
func (v *VM) Dump(ctx context.Context, start, size uint64) (*Dump, error) {
	select {
	case v.dumping <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("launcher: dump of %s: an earlier one is not closed: %w", v.config.Name, ended.By(ctx))
	}
	bytes, err := v.dump(ctx, start, size)
	if err != nil {
		v.endDump()
		return nil, fmt.Errorf("launcher: dump of %s at %#x+%#x: %w", v.config.Name, start, size, err)
	}
	return &Dump{Start: start, Bytes: bytes, done: v.endDump}, nil
}

func (v *VM) dump(ctx context.Context, start, size uint64) ([]byte, error) {
	if err := qapi.PMemSave(ctx, v.qmp, start, size, v.dumpPath); err != nil {
		return nil, err
	}
	info, err := v.dumpFile.Stat()
	if err != nil {
		return nil, err
	}
	if uint64(info.Size()) != size {
		return nil, fmt.Errorf("QEMU wrote %d bytes: out of memory?", info.Size())
	}
	return unix.Mmap(int(v.dumpFile.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
}

func (v *VM) endDump() {
	_ = v.dumpFile.Truncate(0)
	<-v.dumping
}

// secrets hands each secret over in a file that lives in memory only.
func (v *VM) secrets() error {
	for _, id := range slices.Sorted(maps.Keys(v.config.Secrets)) {
		f, err := v.memory("drover-secret")
		if err != nil {
			return err
		}
		if _, err := f.Write(v.config.Secrets[id]); err != nil {
			return err
		}
		path, err := v.share(f)
		if err != nil {
			return err
		}
		object := func(path string) []string {
			return []string{"-object", Option("secret", "id", id, "file", path)}
		}
		v.argv.addForms(object(path), object(v.config.Name+"."+id+".secret"))
	}
	return nil
}

// bootProgram adds what the guest program needs to boot.
func (v *VM) bootProgram() error {
	p := v.config.Program
	if p == nil {
		return nil
	}
	for _, image := range images(p, v.config.diskless()) {
		f, err := v.memory("drover-boot")
		if err != nil {
			return err
		}
		if _, err := f.Write(image.content); err != nil {
			return err
		}
		path, err := v.share(f)
		if err != nil {
			return err
		}
		v.argv.addForms(image.option(path), image.option(v.config.Name+image.suffix))
	}
	if p.PromEnv != "" {
		v.argv.add("-prom-env", p.PromEnv)
	}
	v.argv.add(p.Args...)
	if p.KernelFile != "" {
		v.argv.add("-kernel", p.KernelFile, "-initrd", p.Initrd, "-append", p.Append)
	}
	return nil
}

// An image is a file that a program is booted from.
type image struct {
	suffix  string // of the file that SaveCommand makes of it, behind the VM's name
	content []byte
	option  func(path string) []string // that names it to QEMU
}

// diskless says that the machine has no disk controller of a PC's, so that a disk is a
// virtio device's: microvm.
func (c Config) diskless() bool {
	machine, _ := probe.MachineOption(c.Args)
	name, _, _ := strings.Cut(cmp.Or(machine, c.Machine), ",")
	return name == "microvm"
}

// images are those of a program: one, or none.
func images(p *fixtures.Program, diskless bool) []image {
	named := func(option string) func(string) []string {
		return func(path string) []string { return []string{option, path} }
	}
	switch {
	case len(p.BootBlock) > 0:
		return []image{{".boot.img", bootDisk(p), func(path string) []string { return driveOf(path, diskless) }}}
	case len(p.Kernel) > 0:
		return []image{{".kernel.img", p.Kernel, named("-kernel")}}
	case len(p.Firmware) > 0:
		return []image{{".firmware.img", p.Firmware, named("-bios")}}
	}
	return nil
}

// bootDisk is a disk of one cylinder that begins with the program's boot block.
// From a smaller one the firmware of a q35 machine does not boot.
func bootDisk(p *fixtures.Program) []byte {
	const sector, sectorsPerTrack, heads = 512, 63, 16
	disk := make([]byte, sector*sectorsPerTrack*heads)
	copy(disk, p.BootBlock)
	return disk
}

// bootID is what the disk is called that a virtio device has.
const bootID = "drover-boot"

// driveOf are the options for the disk that a machine boots from.
func driveOf(path string, diskless bool) []string {
	if diskless {
		return []string{"-drive", drive(path, "none") + ",id=" + bootID, "-device", "virtio-blk-device,drive=" + bootID}
	}
	return []string{"-drive", drive(path, "ide")}
}

func drive(path, of string) string {
	if strings.Contains(path, ":") && !strings.HasPrefix(path, "/") {
		path = "./" + path // or what is before the colon would be a protocol
	}
	return Option("", "file", path, "format", "raw", "if", of)
}

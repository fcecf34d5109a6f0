package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"

	"github.com/drover-vm/drover/internal/cachedir"
	"github.com/drover-vm/drover/internal/owned"
)

// A Spec says what a Linux guest is to be made of.
type Spec struct {
	Arch    string   // the QEMU target
	Kernel  string   // the file of the kernel, as QEMU's -kernel takes it
	Modules string   // a folder somewhere below which its modules are; empty where all is built in
	Devices []string // beside the port that it talks through
	Plugged []string // devices that will be plugged while it runs, and VCPU for a vCPU each time
	CPUs    int      // 0 means 1
	Console bool     // it is to talk through the console, not a port
	Idle    bool     // it has no workers: nothing runs in it but what it is told to
	// Options are the workers' (see guest/init), as NAME=VALUE.
	Options []string
	// Cache is the folder in which what was made is kept; empty means drover's own in the
	// user's cache folder.
	Cache string
}

// An Image is a guest that QEMU can start.
type Image struct {
	Kernel, Initrd string // files
	Append         string // the kernel's command line
	MemoryMiB      int
	Workers        []string
	Later          []string // those of the workers that start when they are told to
	Devices        []Device // that it starts with
	Plugged        []Device // that will be plugged
	Args           []string // that QEMU needs beside the devices'
}

// Prepare makes what its devices share on both sides, before the first QEMU starts. What was
// made is in r.CleanUp, also where there is an error.
func (i Image) Prepare(r *Resources) error {
	for _, d := range slices.Concat(i.Devices, i.Plugged) {
		if d.Prepare == nil {
			continue
		}
		if err := d.Prepare(r); err != nil {
			return err
		}
	}
	return nil
}

// QEMUArgs are all options that one side's QEMU needs for the guest and the devices that it starts
// with, which are prepared.
func (i Image) QEMUArgs(r *Resources) []string {
	args := slices.Clone(i.Args)
	for _, d := range i.Devices {
		args = append(args, d.Args(r)...)
	}
	return args
}

// imageFormat changes when the archive's layout does.
const imageFormat = "1"

// devicesOf are those that a guest starts with, the port that it talks through first, and those
// that will be plugged.
func (s Spec) devicesOf() (all, plugged []Device, err error) {
	names := s.Devices
	if !s.Console {
		names = append([]string{Serial}, names...)
	}
	if all, err = devicesNamed(names); err != nil {
		return nil, nil, err
	}
	plugged, err = devicesNamed(slices.DeleteFunc(slices.Clone(s.Plugged), isVCPU))
	return all, plugged, err
}

func devicesNamed(names []string) (all []Device, err error) {
	for _, name := range names {
		d, err := DeviceOf(name)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// Build makes the guest, or finds it in the cache. It takes a second or two where its program
// has to be built. The error is a [*ToolchainError] or a [*ModuleError] where that is what is
// missing.
func Build(ctx context.Context, s Spec) (Image, error) {
	a, err := archOf(s.Arch)
	if err != nil {
		return Image{}, err
	}
	devices, plugged, err := s.devicesOf()
	if err != nil {
		return Image{}, err
	}
	kernel, err := os.Stat(s.Kernel)
	if err != nil {
		return Image{}, fmt.Errorf("guest: the kernel: %w", err)
	}
	cache := s.Cache
	if cache == "" {
		if cache, err = cachedir.Folder(os.Getenv); err != nil {
			return Image{}, err
		}
		cache = filepath.Join(cache, "guest")
	}
	if err := owned.MkdirAll(cache, 0o755); err != nil {
		return Image{}, err
	}
	program, source, err := program(ctx, cache, a.goarch)
	if err != nil {
		return Image{}, err
	}
	image := Image{
		Kernel: s.Kernel, MemoryMiB: a.memory, Devices: devices, Plugged: plugged, Args: slices.Concat(a.args, s.roomArgs(slices.Concat(devices, plugged))),
	}
	if !s.Idle {
		image.Workers = slices.DeleteFunc(Workers(slices.Concat(devices, plugged)), func(name string) bool { return slices.Contains(a.lacks, name) })
		if image.Later, err = later(devices, plugged); err != nil {
			return Image{}, err
		}
	}
	image.Append = s.commandLine(a, image)
	needs := a.modulesOf(slices.Concat(devices, plugged))
	name := sum(imageFormat, source, s.Kernel, s.Modules, kernel.ModTime().String(), fmt.Sprint(kernel.Size()), strings.Join(needs, ","))
	image.Initrd = filepath.Join(cache, "initrd-"+a.goarch+"-"+name)
	if cached(image.Initrd) {
		return image, owned.Check(image.Initrd)
	}
	found, err := openModules(s.Modules)
	if err != nil {
		return Image{}, err
	}
	load, err := found.closure(needs)
	if err != nil {
		return Image{}, err
	}
	archive, err := pack(program, load)
	if err != nil {
		return Image{}, err
	}
	dropUnused(cache)
	return image, writeWhole(image.Initrd, archive)
}

// modulesOf are the names of the kernel's modules that a guest with these devices needs.
func (a arch) modulesOf(devices []Device) (names []string) {
	for _, d := range devices {
		names = append(names, d.Modules...)
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(a.without, name) })
}

// CheckModules returns a [*ModuleError] where the kernel lacks a module that the guest needs.
func (s Spec) CheckModules() error {
	a, err := archOf(s.Arch)
	if err != nil {
		return err
	}
	devices, plugged, err := s.devicesOf()
	if err != nil {
		return err
	}
	found, err := openModules(s.Modules)
	if err != nil {
		return err
	}
	_, err = found.closure(a.modulesOf(slices.Concat(devices, plugged)))
	return err
}

// commandLine is the kernel's.
func (s Spec) commandLine(a arch, image Image) string {
	words := []string{"console=" + a.console, "quiet", "panic=-1", "rdinit=/init", a.append, "drover.workers=" + strings.Join(image.Workers, ",")}
	if len(image.Later) > 0 {
		words = append(words, "drover.later="+strings.Join(image.Later, ","))
	}
	if !s.Console {
		words = append(words, "drover.port="+PortName)
	}
	for _, worker := range image.Workers {
		if names := s.watchedBy(worker); len(names) > 0 {
			words = append(words, "drover."+worker+"-devices="+strings.Join(names, ","))
		}
	}
	for _, o := range s.Options {
		words = append(words, "drover."+o)
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// watchedBy are the names of the devices that a worker watches, those that are plugged later as
// well.
func (s Spec) watchedBy(worker string) []string {
	return slices.DeleteFunc(slices.Concat(s.Devices, s.Plugged), func(name string) bool {
		d, err := DeviceOf(name)
		return err != nil || !slices.Contains(d.Workers, worker)
	})
}

// pack makes the archive. The kernel's own has /dev/console in it, which the program's output
// goes to until it has mounted what it needs.
func pack(program string, load []module) ([]byte, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := cpio.NewWriter(&out)
	var wrong []error
	file := func(name string, mode cpio.FileMode, body []byte) {
		if err := w.WriteHeader(&cpio.Header{Name: name, Mode: mode, Size: int64(len(body)), Links: 1}); err != nil {
			wrong = append(wrong, err)
			return
		}
		_, err := w.Write(body)
		wrong = append(wrong, err)
	}
	file("init", cpio.TypeReg|0o755, text)
	file("modules", cpio.TypeDir|0o755, nil)
	var list strings.Builder
	for _, m := range load {
		file("modules/"+m.name, cpio.TypeReg|0o644, m.image)
		list.WriteString(m.name + "\n")
	}
	file("modules/list", cpio.TypeReg|0o644, []byte(list.String()))
	return out.Bytes(), errors.Join(append(wrong, w.Close())...)
}

// writeWhole writes a file in one step: others see all of it or nothing.
func writeWhole(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return os.Rename(f.Name(), name)
}

package launchertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/internal/ended"
	"github.com/drover-vm/drover/launcher"
)

// bootTimeout is how long Linux may take to boot. It takes two to five seconds under
// TCG, and forty times as long under a KVM that is itself emulated.
const bootTimeout = 3 * time.Minute

// A LinuxVM is a VM in which a Linux runs that programs can be run in.
type LinuxVM struct {
	*launcher.VM
	arch      string
	uploading chan struct{} // held by the one that sends a file

	mu      sync.Mutex
	heard   *guest.Session
	files   map[[32]byte]guest.File // that the guest has, by their SHA-256
	changed chan struct{}           // closed when more was heard
	end     error                   // why nothing more is heard
}

// Linux is Start for a VM that boots Linux, and returns when that is up:
//
//	func TestLinuxSeesADevice(t *testing.T) {
//		program := filepath.Join(t.TempDir(), "list-pci")
//		build := exec.Command("go", "build", "-o", program, "./testdata/list-pci")
//		build.Env = append(os.Environ(), "CGO_ENABLED=0")
//		if output, err := build.CombinedOutput(); err != nil {
//			t.Fatalf("%v: %s", err, output)
//		}
//
//		vm := launchertest.Linux(t, launcher.Config{Args: []string{"-device", "edu"}})
//		output, err := vm.Run(t.Context(), program)
//		if err != nil {
//			t.Fatal(err)
//		}
//		if !strings.Contains(string(output), "0x1234:0x11e8") {
//			t.Errorf("Linux found no edu device, but these:\n%s", output)
//		}
//	}
//
// The kernel is the one that "drover fleet fetch kernels" has fetched for Config.Arch:
// Debian's, for x86_64, aarch64, riscv64, s390x and ppc64. Where it isn't here the test is
// skipped, or fails with DROVER_CI=1, as where there is no QEMU; so it is where a machine
// without a Go toolchain would have to build the guest's own program, which drover's cache
// folder keeps. That program is the only process: there is no shell, no disk, and no network
// interface but lo, which is down. /proc, /sys, /dev and /tmp are mounted. Of the kernel's
// modules only those for virtio-serial are loaded. On the console it writes errors and worse.
//
// Config is as for Start, but Program and Port must not be set: they are what Linux boots from
// and talks through. Args are added to those that the guest needs. A guest that resets ends its
// QEMU (-no-reboot), so one whose kernel panics is an error at once. MemoryMiB, where it is 0, is
// 256, or 512 for ppc64. A Linux that does not come up within 3 minutes is fatal to the test.
func Linux(t testing.TB, config launcher.Config) *LinuxVM {
	t.Helper()
	if config.Program != nil || config.Port != "" {
		t.Fatalf("launchertest: a Linux guest has its own Program and Port: leave those of the Config empty (Port is %q)", config.Port)
	}
	config.Binary = binary(t, config)
	config.Arch = archOf(config)
	image := linuxImage(t, config.Arch)
	program := fixtures.ForLinux(config.Arch)
	program.KernelFile, program.Initrd, program.Append, program.MemoryMiB = image.Kernel, image.Initrd, image.Append, image.MemoryMiB
	config.Program = &program
	config.Port = guest.PortChardev
	config.Args = slices.Concat(image.QEMUArgs(&guest.Resources{Dir: t.TempDir()}), []string{"-no-reboot"}, config.Args)
	vm := &LinuxVM{
		VM: Start(t, config), arch: config.Arch, uploading: make(chan struct{}, 1),
		heard: guest.NewSession(), files: map[[32]byte]guest.File{}, changed: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var listening sync.WaitGroup
	listening.Go(func() { vm.listen(ctx) })
	t.Cleanup(func() {
		cancel()
		listening.Wait()
	})
	vm.awaitBoot(t)
	return vm
}

// linuxImage is what a Linux guest boots. Where there is no kernel it skips, or fails.
func linuxImage(t testing.TB, arch string) guest.Image {
	t.Helper()
	kernel, err := fleet.Fleet{}.FindKernel(arch)
	if none, ok := errors.AsType[*fleet.NoKernelError](err); ok {
		skip(t, &missingKernelError{none})
	}
	if err != nil {
		t.Fatalf("launchertest: %v", err)
	}
	image, err := guest.Build(t.Context(), guest.Spec{Arch: arch, Kernel: kernel.Path, Modules: kernel.Modules, Idle: true})
	if noTool, ok := errors.AsType[*guest.ToolchainError](err); ok {
		skip(t, noTool)
	}
	if err != nil {
		t.Fatalf("launchertest: %v", err)
	}
	return image
}

// A missingKernelError says that this machine has no kernel for a guest, and how to get one.
type missingKernelError struct{ none *fleet.NoKernelError }

func (e *missingKernelError) Error() string {
	text := fmt.Sprintf("no Linux kernel for %s here: fetch it with: go run github.com/drover-vm/drover/cmd/drover@latest fleet fetch kernels --arch %s", e.none.Arch, e.none.Arch)
	if e.none.Cause != nil {
		text += fmt.Sprintf(" (%v)", e.none.Cause)
	}
	return text
}

func (e *missingKernelError) Unwrap() error { return e.none }

// awaitBoot returns when the guest's program runs.
func (vm *LinuxVM) awaitBoot(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), bootTimeout, fmt.Errorf("its first sign of life has not come within %s", bootTimeout))
	defer cancel()
	if err := vm.until(ctx, func() bool { return vm.heard.Began(nil) }); err != nil {
		t.Fatalf("launchertest: Linux does not boot in %s: %v", vm.Name(), err)
	}
	vm.mu.Lock()
	problems := vm.heard.Problems()
	vm.mu.Unlock()
	for _, problem := range problems {
		t.Logf("launchertest: %s: Linux lacks something: %s", vm.Name(), problem)
	}
}

// listen takes what comes from the guest, until the VM ends or the context.
func (vm *LinuxVM) listen(ctx context.Context) {
	place := int64(0)
	for chunk, err := range vm.Port().Follow(ctx, 0) {
		if err == nil && chunk.Place != place {
			err = fmt.Errorf("%d bytes of what the guest wrote to its port came faster than they were read here", chunk.Place-place)
		}
		vm.hear(chunk, err)
		if err != nil {
			return
		}
		place = chunk.Next()
	}
}

func (vm *LinuxVM) hear(chunk launcher.Chunk, err error) {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	if of, ok := errors.AsType[*launcher.ConsoleError](err); ok {
		err = of.Cause
	}
	if err == nil {
		vm.heard.Feed(vm.Name(), chunk.Time, chunk.Bytes)
	}
	vm.end = err
	close(vm.changed)
	vm.changed = make(chan struct{})
}

// until waits until enough was heard. The session is locked while enough looks at it.
func (vm *LinuxVM) until(ctx context.Context, enough func() bool) error {
	for {
		vm.mu.Lock()
		done, changed, end := enough(), vm.changed, vm.end
		vm.mu.Unlock()
		switch {
		case done:
			return nil
		case end != nil:
			return end
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ended.By(ctx)
		}
	}
}

package main

import (
	"iter"

	"github.com/spf13/pflag"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/migration"
)

// kernelFlags name the kernel of Linux guests.
type kernelFlags struct{ kernel, modules string }

func (f *kernelFlags) flags(set *pflag.FlagSet) {
	set.StringVar(&f.kernel, "kernel", "", "`file` of the kernel of Linux guests (default: the first that \"drover fleet fetch kernels\" or full-kernels fetched and that has the drivers)")
	set.StringVar(&f.modules, "modules", "", "`folder` with that kernel's modules, which --kernel needs unless all are built in")
}

func (f *kernelFlags) check() error {
	if f.modules != "" && f.kernel == "" {
		return usageError("--modules is the folder of a kernel's modules: name the kernel with --kernel")
	}
	return nil
}

func (f *kernelFlags) assign(o *migration.Options) {
	o.Kernel, o.Modules, o.FindKernels = f.kernel, f.modules, findKernels
}

// findKernels finds the fleet's kernels for a target.
func findKernels(arch string) iter.Seq2[migration.Kernel, error] {
	return func(yield func(migration.Kernel, error) bool) {
		for k, err := range (fleet.Fleet{}).KernelsFor(arch) {
			if !yield(migration.Kernel{File: k.Path, Modules: k.Modules}, err) {
				return
			}
		}
	}
}

// findKernelsOnce is findKernels for one goroutine that asks for the same target often: to see
// that a kernel is whole takes a look at some thousand files.
func findKernelsOnce() func(arch string) iter.Seq2[migration.Kernel, error] {
	type found struct {
		kernel migration.Kernel
		err    error
	}
	known := make(map[string][]found)
	return func(arch string) iter.Seq2[migration.Kernel, error] {
		if _, ok := known[arch]; !ok {
			known[arch] = []found{}
			for k, err := range findKernels(arch) {
				known[arch] = append(known[arch], found{k, err})
			}
		}
		return func(yield func(migration.Kernel, error) bool) {
			for _, f := range known[arch] {
				if !yield(f.kernel, f.err) {
					return
				}
			}
		}
	}
}

package main

import (
	"github.com/spf13/pflag"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/migration"
)

// kernelFlags name the kernel of Linux guests.
type kernelFlags struct{ kernel, modules string }

func (f *kernelFlags) flags(set *pflag.FlagSet) {
	set.StringVar(&f.kernel, "kernel", "", "`file` of the kernel of Linux guests (default: the one that \"drover fleet fetch kernels\" fetched)")
	set.StringVar(&f.modules, "modules", "", "`folder` with that kernel's modules, which --kernel needs unless all are built in")
}

func (f *kernelFlags) check() error {
	if f.modules != "" && f.kernel == "" {
		return usageError("--modules is the folder of a kernel's modules: name the kernel with --kernel")
	}
	return nil
}

func (f *kernelFlags) assign(o *migration.Options) {
	o.Kernel, o.Modules, o.FindKernel = f.kernel, f.modules, findKernel
}

// findKernel finds the fleet's kernel for a target.
func findKernel(arch string) (kernel, modules string, err error) {
	k, err := fleet.Fleet{}.FindKernel(arch)
	return k.Path, k.Modules, err
}

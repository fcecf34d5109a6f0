package host

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Tool is a program that was looked for.
type Tool struct {
	Name string `json:"name"`
	Path string `json:"path"` // "" = it isn't there
}

// TrafficControl looks for tc in PATH and where system administrators'
// programs are.
func TrafficControl(getenv func(string) string) Tool {
	return findTool("tc", append(filepath.SplitList(getenv("PATH")), "/usr/sbin", "/sbin"))
}

// TPMEmulator looks for swtpm in PATH, which is behind a guest's TPM.
func TPMEmulator(getenv func(string) string) Tool {
	return findTool("swtpm", filepath.SplitList(getenv("PATH")))
}

func findTool(name string, folders []string) Tool {
	for _, folder := range folders {
		file := filepath.Join(folder, name)
		if stat, err := os.Stat(file); filepath.IsAbs(folder) && err == nil && stat.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
			return Tool{name, file}
		}
	}
	return Tool{Name: name}
}

// Fact says it to a person.
func (t Tool) Fact() Fact {
	f := Fact{Name: t.Name, Have: t.Path != "", Says: t.Path}
	if f.Have {
		return f
	}
	f.Says = "not found"
	switch t.Name {
	case "swtpm":
		f.Costs = "guests with a TPM"
		f.Remedy = "install the package swtpm"
	default:
		f.Costs = "migration over links that are made slow or lossy"
		f.Remedy = "install the package iproute2 (Fedora: iproute-tc)"
	}
	return f
}

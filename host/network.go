package host

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Namespaces reports whether this process can make network namespaces, in which
// links can be slow and lossy without anyone else noticing.
type Namespaces struct {
	Privileged bool   `json:"privileged"` // it may do so as it is
	User       bool   `json:"user"`       // it may do so inside a user namespace of its own
	Reason     string `json:"reason"`     // why neither
}

// NetworkNamespaces reads this process's capabilities and the kernel's
// settings; it makes none.
func NetworkNamespaces() Namespaces { return namespaces(os.DirFS("/")) }

// capSysAdmin is CAP_SYS_ADMIN's bit.
const capSysAdmin = 1 << 21

func namespaces(root fs.FS) Namespaces {
	status, _ := fs.ReadFile(root, "proc/self/status")
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "CapEff:"); ok {
			capabilities, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
			if err == nil && capabilities&capSysAdmin != 0 {
				return Namespaces{Privileged: true, User: true}
			}
		}
	}
	if _, err := fs.Stat(root, "proc/self/ns/user"); err != nil {
		return Namespaces{Reason: "the kernel has no user namespaces"}
	}
	for _, setting := range []struct{ name, forbids string }{
		{"user/max_user_namespaces", "0"},
		{"user/max_net_namespaces", "0"},
		{"kernel/unprivileged_userns_clone", "0"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1"},
	} {
		value, err := fs.ReadFile(root, "proc/sys/"+setting.name)
		if err == nil && strings.TrimSpace(string(value)) == setting.forbids {
			return Namespaces{Reason: "the sysctl " + strings.ReplaceAll(setting.name, "/", ".") + " is " + setting.forbids}
		}
	}
	return Namespaces{User: true}
}

// Fact says it to a person.
func (n Namespaces) Fact() Fact {
	f := Fact{Name: "network namespaces", Have: n.Privileged || n.User}
	switch {
	case n.Privileged:
		f.Says = "can be made"
	case n.User:
		f.Says = "can be made inside a user namespace"
	default:
		f.Says = n.Reason
		f.Costs = "migration over links that are made slow or lossy"
		f.Remedy = "change that sysctl, or run as root"
	}
	return f
}

// A Tool is a program that was looked for.
type Tool struct {
	Name string `json:"name"`
	Path string `json:"path"` // "" = it isn't there
}

// TrafficControl looks for tc in PATH and where system administrators'
// programs are.
func TrafficControl(getenv func(string) string) Tool {
	for _, folder := range append(filepath.SplitList(getenv("PATH")), "/usr/sbin", "/sbin") {
		file := filepath.Join(folder, "tc")
		if stat, err := os.Stat(file); filepath.IsAbs(folder) && err == nil && stat.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
			return Tool{"tc", file}
		}
	}
	return Tool{Name: "tc"}
}

// Fact says it to a person.
func (t Tool) Fact() Fact {
	f := Fact{Name: t.Name, Have: t.Path != "", Says: t.Path}
	if !f.Have {
		f.Says = "not found"
		f.Costs = "migration over links that are made slow or lossy"
		f.Remedy = "install the package iproute2 (Fedora: iproute-tc)"
	}
	return f
}

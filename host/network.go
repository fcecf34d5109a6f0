package host

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
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

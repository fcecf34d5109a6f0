package qmp

import (
	"encoding/json"
	"fmt"
)

// A Version is QEMU's. It is for reports: ask the schema what a QEMU can do.
type Version struct {
	Major   int    `json:"major"`
	Minor   int    `json:"minor"`
	Micro   int    `json:"micro"`
	Package string `json:"package,omitempty"` // the distributor's own, may be empty
}

// String returns a version in the form 7.2.22.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// A Greeting is the first message of a monitor.
type Greeting struct {
	Version      Version
	Capabilities []string // what the handshake may enable, such as "oob"
}

func (m message) greeting() (Greeting, error) {
	var g struct {
		Version struct {
			QEMU    struct{ Major, Minor, Micro int }
			Package string
		}
		Capabilities []string
	}
	if err := json.Unmarshal(m.qmp, &g); err != nil {
		return Greeting{}, &ProtocolError{Problem: "the greeting can't be read: " + err.Error(), Data: excerpt(m.qmp)}
	}
	v := g.Version
	return Greeting{Version{v.QEMU.Major, v.QEMU.Minor, v.QEMU.Micro, v.Package}, g.Capabilities}, nil
}

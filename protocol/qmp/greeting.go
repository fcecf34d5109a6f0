package qmp

import (
	"encoding/json"
	"fmt"
)

// A Version is QEMU's, as it greets with it.
type Version struct {
	Major, Minor, Micro int
	Package             string // the distribution's, may be empty
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// A Greeting is what a monitor says first.
type Greeting struct {
	Version      Version
	Capabilities []string // what the handshake may turn on, such as "oob"
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

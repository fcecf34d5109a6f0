package launcher

import (
	"fmt"
	"slices"
	"strings"
)

// An ArgError says why an option can't be among Config.Args, or among those that both
// sides of a migration get.
type ArgError struct {
	Option string // as a person would write it, shortened: "-pidfile /run/x"
	Reason string // one clause
	Remedy string // one clause
}

func (e *ArgError) Error() string {
	return fmt.Sprintf("%s can't be given: %s; %s", e.Option, e.Reason, e.Remedy)
}

// CheckArgs returns an *ArgError for the first option with which no QEMU can be
// launched: options that end QEMU once it has printed or written something
// (-version, -device help), that take it away from its launcher (-daemonize, a
// monitor on standard input), or that are the launcher's own to give (-accel, -qtest).
// Launch checks its Config.Args so. What QEMU itself refuses is QEMU's error.
func CheckArgs(args []string) error {
	for _, o := range parseArgs(args) {
		if reason, remedy := o.reserved(); reason != "" {
			return &ArgError{o.String(), reason, remedy}
		}
	}
	return nil
}

// CheckPairArgs is CheckArgs for arguments that go to both QEMUs of a migration, on one
// host. Refused is also what sets when the guest starts or where a migration comes from
// (-S, -incoming), and what only one QEMU can have: a fixed port, a socket that
// it makes, a file that it locks, a device of the host, RAM in a file that both would
// map. A folder as mem-path is fine, as each QEMU makes a file of its own in it.
func CheckPairArgs(args []string) error {
	if err := CheckArgs(args); err != nil {
		return err
	}
	options := parseArgs(args)
	for _, o := range options {
		switch o.name {
		case "S":
			return &ArgError{o.String(), "drover starts and stops the guests itself", leaveOut}
		case "incoming":
			return &ArgError{o.String(), "drover says itself where the destination listens", leaveOut}
		case "preconfig":
			return &ArgError{o.String(), "QEMU would wait for a command before it makes the machine", leaveOut}
		}
		if what, remedy := o.claims(options); what != "" {
			return &ArgError{o.String(), "it goes to both QEMUs, and only one can have " + printable(what), remedy}
		}
		if o.name == "object" && o.sharesRAM() {
			return &ArgError{
				o.String(), "both QEMUs would map " + printable(o.get("mem-path")) + " as their RAM, and each would see the other's guest write",
				"leave share=on out, use memory-backend-memfd, or name a folder as mem-path",
			}
		}
	}
	return nil
}

const (
	leaveOut = "leave it out"
	askIt    = "run QEMU with it by itself"
)

// reserved says why an option can't be given to a QEMU that is launched, and the way
// out; "" says that it can.
func (o option) reserved() (reason, remedy string) {
	switch o.name {
	case "version", "help", "audio-help":
		return "QEMU would print something and exit", askIt
	case "dump-vmstate":
		return "QEMU would write a file and exit", askIt
	case "daemonize":
		return "QEMU would leave drover, which starts it, waits for it and ends it", leaveOut
	case "accel", "enable-kvm", "no-kvm":
		return "drover names the accelerator itself", "use drover's -accel"
	case "machine":
		if o.has("accel") {
			return "drover names the accelerator itself", "use drover's -accel"
		}
		if o.has("dumpdtb") {
			return "QEMU would write a file and exit", askIt
		}
	case "qtest":
		return "drover has a qtest session of its own", leaveOut
	case "object":
		if o.kind() == "qtest" {
			return "drover has a qtest session of its own", leaveOut
		}
	}
	if o.asksForHelp() {
		return "QEMU would print what it has and exit", askIt
	}
	if o.onStdio() {
		return "QEMU's standard input and output are drover's", "use a socket (unix:PATH,server=on,wait=off) or a file (file:PATH)"
	}
	if id := o.get("id"); strings.HasPrefix(id, "drover-") && o.named() {
		return "identifiers that begin with drover- are drover's own", "choose another id"
	}
	return "", ""
}

// asksForHelp reports whether QEMU would list what an option takes. Options whose value is
// any text have no help.
func (o option) asksForHelp() bool {
	if slices.Contains([]string{
		"", "D", "L", "append", "bios", "cdrom", "debugcon", "dtb", "dump-vmstate", "fda", "fdb", "gdb", "hda", "hdb", "hdc", "hdd",
		"incoming", "initrd", "k", "kernel", "loadvm", "mem-path", "mtdblock", "pflash", "pidfile", "prom-env", "readconfig", "sd",
		"uuid", "writeconfig",
	}, o.name) {
		return o.name == "L" && o.value == "help"
	}
	if strings.HasPrefix(o.value, "{") {
		return false
	}
	return slices.ContainsFunc(o.properties, func(p property) bool {
		return !p.named && (p.name == "help" || p.name == "?")
	})
}

// named reports whether an option makes something that has an id.
func (o option) named() bool {
	return slices.Contains([]string{"chardev", "object", "device", "netdev", "drive", "mon", "fsdev"}, o.name)
}

// onStdio reports whether an option uses QEMU's standard input and output.
func (o option) onStdio() bool {
	switch {
	case o.name == "chardev":
		return o.kind() == "stdio"
	case o.isCharacterDevice():
		device := strings.TrimPrefix(o.value, "mon:")
		return device == "stdio" || strings.HasPrefix(device, "stdio,")
	}
	return false
}

// isCharacterDevice reports whether an option's value is a character device in the short
// form, such as "tcp:HOST:PORT,server=on".
func (o option) isCharacterDevice() bool {
	return slices.Contains([]string{"debugcon", "gdb", "monitor", "parallel", "qmp", "qmp-pretty", "serial", "virtioconsole"}, o.name)
}

package launcher

import (
	"os"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/fixtures"
)

// firstInherited is the number that a child sees the first of exec.Cmd's
// ExtraFiles under.
const firstInherited = 3

// An argv is a command line in two forms: with the descriptors that QEMU
// inherits from us, and as a person can repeat it in a shell.
type argv struct {
	run, shell []string
	inherited  []*os.File
	others     int // descriptors that the process inherits before these
}

func (a *argv) add(args ...string) { a.addForms(args, args) }

func (a *argv) addForms(run, shell []string) {
	a.run = append(a.run, run...)
	a.shell = append(a.shell, shell...)
}

// inherit hands the file to QEMU and returns its number there.
func (a *argv) inherit(f *os.File) string {
	a.inherited = append(a.inherited, f)
	return strconv.Itoa(firstInherited + a.others + len(a.inherited) - 1)
}

// closeInherited drops our copies of what the child has; without that the end
// of QEMU would not be the end of its streams.
func (a *argv) closeInherited() {
	for _, f := range a.inherited {
		_ = f.Close()
	}
	a.inherited = nil
}

// machine is the part of the command line that says what the guest is.
func (a *argv) machine(c Config, sandbox string) {
	a.add("-name", Option("", "guest", c.Name, "debug-threads", "on"))
	a.sandbox(sandbox)
	name, properties, _ := strings.Cut(c.Accel, ",")
	switch {
	case properties != "" && c.Machine != "":
		a.add("-machine", c.Machine, "-accel", c.Accel)
	case properties != "":
		a.add("-accel", c.Accel)
	case c.Machine != "":
		a.add("-machine", c.Machine+",accel="+name)
	default:
		a.add("-machine", "accel="+name)
	}
	if c.MemoryMiB > 0 {
		a.add("-m", strconv.Itoa(c.MemoryMiB))
	}
	if cpu := c.cpu(name); cpu != "" {
		a.add("-cpu", cpu)
	}
	a.add("-nodefaults", "-display", "none")
}

// cpu is the CPU model under an accelerator where the target's default won't do. Under one
// that executes the guest's instructions on the host's CPU only that one will.
func (c Config) cpu(accel string) string {
	_, cpu := fixtures.MachineFor(c.Arch)
	name, _, _ := strings.Cut(c.Machine, ",")
	switch {
	case cpu == "" || name == "none":
		return ""
	case accel != tcg:
		return "host"
	}
	return cpu
}

// monitor gives QEMU its end of the QMP session.
func (a *argv) monitor(end *os.File, c Config) {
	fd := a.inherit(end)
	a.addForms([]string{"-chardev", "socket,id=drover-qmp,fd=" + fd},
		[]string{"-chardev", "socket,id=drover-qmp,server=on,wait=off," + Option("", "path", c.Name+".qmp.sock")})
	// This form is the one that every QEMU takes without a warning.
	a.add("-qmp", "chardev:drover-qmp")
	if c.Attach != "" {
		a.add("-chardev", "socket,id=drover-attach,server=on,wait=off,"+Option("", "path", c.Attach), "-qmp", "chardev:drover-attach")
	}
}

// qtest gives QEMU its end of the qtest session. Since 6.0 a chardev is named in
// an object; before, in the option, which later versions take as a path only.
func (a *argv) qtest(end *os.File, object bool) {
	a.addForms([]string{"-chardev", "socket,id=drover-qtest,fd=" + a.inherit(end)}, nil)
	if object {
		a.addForms([]string{"-object", "qtest,id=drover-qtest-server,chardev=drover-qtest,log=none"}, nil)
	} else {
		a.addForms([]string{"-qtest", "chardev:drover-qtest", "-qtest-log", "none"}, nil)
	}
}

// sandbox turns QEMU's system call filter on.
func (a *argv) sandbox(value string) {
	if value != "" && value != "off" {
		a.add("-sandbox", value)
	}
}

// serialID is what QEMU calls the other end of the console.
const serialID = "drover-serial"

// serial gives QEMU the other end of the console. The word serial for a
// terminal is there in every QEMU; its other name, tty, went with 6.0.
func (a *argv) serial(end *os.File, s Serial) {
	fd := a.inherit(end)
	chardev := "socket,id=" + serialID + ",fd=" + fd
	if s == SerialPTY {
		chardev = "serial,id=" + serialID + ",path=/dev/fd/" + fd
	}
	a.addForms([]string{"-chardev", chardev, "-serial", "chardev:" + serialID}, []string{"-serial", "stdio"})
}

// port gives QEMU the other end of the port.
func (a *argv) port(end *os.File, c Config) {
	a.addForms([]string{"-chardev", "socket," + Option("", "id", c.Port, "fd", a.inherit(end))},
		[]string{"-chardev", "socket,server=on,wait=off," + Option("", "id", c.Port, "path", c.Name+".port.sock")})
}

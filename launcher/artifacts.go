package launcher

import (
	"os"
	"path/filepath"
	"strings"
)

// ShellCommand returns the command line as a person can paste it into a shell,
// standing in the folder that SaveCommand wrote to: what QEMU inherits from us
// is replaced by sockets that it makes there and by its standard output.
func (v *VM) ShellCommand() string {
	return ShellQuote(append([]string{v.binary}, v.argv.shell...)...)
}

// SaveCommand writes into dir what it takes to start the same QEMU by hand:
// NAME.cmd, a line for a POSIX shell behind one for each of its backends, and NAME.boot.img, NAME.kernel.img or
// NAME.firmware.img where it boots from one.
func (v *VM) SaveCommand(dir string) error {
	name := filepath.Join(dir, v.config.Name)
	if p := v.config.Program; p != nil {
		for _, image := range images(p, v.config.diskless()) {
			if err := os.WriteFile(name+image.suffix, image.content, 0o600); err != nil {
				return err
			}
		}
	}
	var text strings.Builder
	for _, b := range v.backends {
		text.WriteString(b.shellCommand())
	}
	text.WriteString(v.ShellCommand() + "\n")
	return os.WriteFile(name+".cmd", []byte(text.String()), 0o600)
}

// Attach returns the path of the socket for a second QMP client, "" where
// Config.Attach did not ask for one.
func (v *VM) Attach() string { return v.config.Attach }

package launcher

import "strings"

// Escape doubles the commas of a value that is inside one of QEMU's
// comma-separated options, as QEMU's option parser demands. Whatever else is in the
// value stands for itself: blanks, quotes, line ends, equals signs behind the first,
// and bytes that are no UTF-8. Only a zero byte can't be in an argument.
func Escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// Option writes one of QEMU's options that begins with a kind, such as
// "memory-backend-file", and goes on with properties, a name and a value each:
//
//	Option("memory-backend-file", "id", "ram", "mem-path", path)
//
// Values are escaped. Without a kind ("") the first property comes first. A last name
// without a value is alone.
func Option(kind string, properties ...string) string {
	var parts []string
	if kind != "" {
		parts = append(parts, Escape(kind))
	}
	for i := 0; i < len(properties); i += 2 {
		part := properties[i]
		if i+1 < len(properties) {
			part += "=" + Escape(properties[i+1])
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}

// ShellQuote writes arguments so that a POSIX shell reads them back as they are, whatever
// is in them but a zero byte. It is for what a person may paste, and for the command
// of a migration's exec: URI, which QEMU gives to a shell.
func ShellQuote(words ...string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if w != "" && strings.Trim(w, shellSafe) == "" {
			b.WriteString(w)
			continue
		}
		b.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "'")
	}
	return b.String()
}

const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%"

// MonitorQuote writes one argument of a command of QEMU's human monitor, such as the file
// of "drive_add" or the command of "qemu-io", so that the monitor reads it back as it is.
// QEMU takes 1023 bytes of it. The options of object_add and device_add are read in
// another way since 6.0: for these there are qapi.ObjectAdd and qapi.DeviceAdd.
func MonitorQuote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(text) + `"`
}

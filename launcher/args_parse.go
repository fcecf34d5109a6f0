package launcher

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An option is one of QEMU's, as it is in a command line.
type option struct {
	name  string // without its dashes; "" for a bare word, which is a disk's file
	value string
	words []string // as given
	properties
}

// withoutValue are QEMU's options that take no value (qemu-options.hx, 3.1 to 11.1);
// every other one takes the word that follows.
func withoutValue() []string {
	return []string{
		"?", "S", "alt-grab", "async-teardown", "audio-help", "ctrl-grab", "curses", "daemonize",
		"enable-fips", "enable-kvm", "enable-sync-profile", "full-screen", "h", "help", "jitdump", "mem-prealloc",
		"no-acpi", "no-fd-bootchk", "no-frame", "no-hpet", "no-kvm", "no-kvm-irqchip", "no-kvm-pit",
		"no-kvm-pit-reinjection", "no-quit", "no-reboot", "no-shutdown", "no-user-config", "nodefaults", "nodefconfig",
		"nographic", "old-param", "one-insn-per-tb", "only-migratable", "perfmap", "portrait", "preconfig", "rtc-td-hack",
		"s", "sdl", "semihosting", "singlestep", "snapshot", "usb", "version", "win2k-hack", "xen-attach", "xen-domid-restrict",
	}
}

// parseArgs takes a command line apart as QEMU does. What QEMU would refuse is left to
// QEMU.
func parseArgs(args []string) (options []option) {
	for i := 0; i < len(args); i++ {
		name, isOption := strings.CutPrefix(args[i], "-")
		if !isOption || name == "" {
			options = append(options, option{value: args[i], words: args[i : i+1]})
			continue
		}
		o := option{name: strings.TrimPrefix(name, "-"), words: args[i : i+1]}
		if !slices.Contains(withoutValue(), o.name) && i+1 < len(args) {
			i++
			o.value, o.words = args[i], args[i-1:i+1]
			o.properties = parseProperties(o.value)
		}
		switch o.name {
		case "M":
			o.name = "machine"
		case "h", "?":
			o.name = "help"
		}
		options = append(options, o)
	}
	return options
}

// String is the option as a person would write it, shortened.
func (o option) String() string {
	text := ShellQuote(o.words...)
	if printable(text) != text {
		text = printable(strings.Join(o.words, " "))
	}
	return text
}

// printable is a text as it fits into a sentence: quoted where it has characters that
// don't print, and shortened.
func printable(text string) string {
	const most = 160
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) || c == utf8.RuneError }) {
		return strconv.Quote(text)
	}
	return text
}

// properties are those of an option, in its order.
type properties []property

type property struct {
	name, value string
	named       bool // it has an equals sign; else name is all there is
}

// parseProperties reads an option's value, which is NAME=VALUE with commas between, or,
// for some options, a JSON object.
func parseProperties(value string) (all properties) {
	if strings.HasPrefix(value, "{") {
		d := json.NewDecoder(bytes.NewReader([]byte(value)))
		d.UseNumber()
		var object map[string]any
		if d.Decode(&object) == nil {
			return flatten("", object)
		}
	}
	for _, part := range splitProperties(value) {
		name, value, named := strings.Cut(part, "=")
		all = append(all, property{name, value, named})
	}
	return all
}

// splitProperties splits at commas, of which two are one that doesn't split.
func splitProperties(value string) (parts []string) {
	var part strings.Builder
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] != ',':
			part.WriteByte(value[i])
		case i+1 < len(value) && value[i+1] == ',':
			part.WriteByte(',')
			i++
		default:
			parts = append(parts, part.String())
			part.Reset()
		}
	}
	return append(parts, part.String())
}

// flatten names what is in nested objects and lists as QEMU does: addr.port, hostfwd.0.str.
func flatten(prefix string, value any) (all properties) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, flatten(strings.TrimPrefix(prefix+"."+name, "."), v[name])...)
		}
	case []any:
		for i, element := range v {
			all = append(all, flatten(fmt.Sprintf("%s.%d", prefix, i), element)...)
		}
	case bool:
		all = properties{{prefix, map[bool]string{true: "on", false: "off"}[v], true}}
	default:
		all = properties{{prefix, fmt.Sprint(v), true}}
	}
	return all
}

// kind is the first property where that has no name: "user" of "user,id=n0". In JSON
// it has one of several.
func (p properties) kind() string {
	if len(p) > 0 && !p[0].named {
		return p[0].name
	}
	for _, name := range []string{"qom-type", "driver", "backend", "type"} {
		if value := p.get(name); value != "" {
			return value
		}
	}
	return ""
}

// get returns the last value of a property, "" where there is none.
func (p properties) get(name string) (value string) {
	for _, one := range p {
		if one.named && one.name == name {
			value = one.value
		}
	}
	return value
}

// has reports whether a property is there, also as a bare name that isn't the first.
func (p properties) has(name string) bool {
	return slices.ContainsFunc(p, func(one property) bool { return one.name == name })
}

// on reports whether a switch is on: "server", "server=on" and older spellings.
func (p properties) on(name string) (on bool) {
	for _, one := range p {
		switch {
		case one.name == name && one.named:
			on = slices.Contains([]string{"on", "yes", "true", "y"}, one.value)
		case one.name == name:
			on = true
		case one.name == "no"+name && !one.named:
			on = false
		}
	}
	return on
}

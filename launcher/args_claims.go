package launcher

import (
	"os"
	"strings"
)

// Ways out for what only one QEMU can have.
const (
	anyPort = "let the system choose the port (0)"
	connect = "use a socket to which QEMU connects, or leave it out"
)

// claims says what an option claims of the host that only one QEMU can have, and the way
// out; "" says that there is nothing. others are all options.
func (o option) claims(others []option) (what, remedy string) {
	switch o.name {
	case "pidfile":
		return "the file " + o.value, leaveOut
	case "s":
		return "the TCP port 1234", leaveOut + " (drover's --hold shows how to attach gdb)"
	case "vnc":
		return o.claimsDisplay()
	case "display":
		if display, ok := strings.CutPrefix(o.value, "vnc="); ok {
			return option{value: display, properties: parseProperties(display)}.claimsDisplay()
		}
	case "spice":
		for _, name := range []string{"port", "tls-port"} {
			if fixed(o.get(name)) {
				return "the TCP port " + o.get(name), leaveOut
			}
		}
		if o.on("unix") {
			return "the socket " + o.get("addr"), leaveOut
		}
	case "chardev":
		return o.claimsSocket()
	case "netdev", "nic", "net":
		return o.claimsNetwork(others)
	case "device":
		return o.claimsDevice(others)
	case "tpmdev":
		switch o.kind() {
		case "passthrough":
			return "the host's TPM", "use an emulator for each"
		case "emulator":
			return o.claimsBackend(others)
		}
	case "object":
		if o.kind() == "x-vfio-user-server" {
			return "the socket " + o.get("socket.path"), leaveOut
		}
	}
	if o.isCharacterDevice() {
		return o.claimsShortSocket()
	}
	return "", ""
}

// fixed reports whether a port is a certain one.
func fixed(port string) bool { return strings.Trim(port, "0") != "" }

// claimsSocket is for -chardev.
func (o option) claimsSocket() (what, remedy string) {
	switch o.kind() {
	case "socket":
		if !o.on("server") || o.get("fd") != "" {
			return "", ""
		}
		if path := o.get("path"); path != "" {
			return "the socket " + path, connect
		}
		if port := o.get("port"); fixed(port) && !o.has("to") {
			return "the TCP port " + port, anyPort + ", or give it room to choose (to=)"
		}
	case "udp":
		if port := o.get("localport"); fixed(port) {
			return "the UDP port " + port, anyPort
		}
	}
	return "", ""
}

// claimsShortSocket is for character devices in the short form: tcp:HOST:PORT,server,
// unix:PATH,server, udp:HOST:PORT@HOST:PORT.
func (o option) claimsShortSocket() (what, remedy string) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(o.value, "mon:"), ":")
	p := parseProperties(rest)
	if len(p) == 0 {
		return "", ""
	}
	// The first is an address, which may have an equals sign in it.
	address := splitProperties(rest)[0]
	server := p[1:].on("server") || o.name == "gdb"
	switch kind {
	case "unix":
		if server {
			return "the socket " + address, connect
		}
	case "tcp", "telnet", "tn3270", "websocket":
		if port := address[strings.LastIndex(address, ":")+1:]; server && fixed(port) && !p.has("to") {
			return "the TCP port " + port, anyPort
		}
	case "udp":
		if _, local, ok := strings.Cut(address, "@"); ok {
			if port := local[strings.LastIndex(local, ":")+1:]; fixed(port) {
				return "the UDP port " + port, anyPort
			}
		}
	}
	return "", ""
}

// claimsDisplay is for -vnc, whose displays have fixed ports.
func (o option) claimsDisplay() (what, remedy string) {
	if len(o.properties) == 0 || o.on("reverse") {
		return "", ""
	}
	address := splitProperties(o.value)[0]
	address = strings.TrimPrefix(address, "vnc=")
	const roomToChoose = "give it room to choose (to=99), or leave it out"
	switch path, socket := strings.CutPrefix(address, "unix:"); {
	case socket:
		return "the socket " + path, leaveOut
	case address == "none" || address == "" || o.has("to"):
		return "", ""
	default:
		return "the VNC display " + address, roomToChoose
	}
}

// claimsNetwork is for -netdev, -nic and -net.
func (o option) claimsNetwork(others []option) (what, remedy string) {
	switch o.kind() {
	case "user":
		for _, p := range o.properties {
			if p.name == "hostfwd" || strings.HasPrefix(p.name, "hostfwd.") {
				if what := forwarded(p.value); what != "" {
					return what, "let the system choose the port (hostfwd=tcp::0-:22), or leave it out"
				}
			}
		}
	case "tap", "af-xdp":
		if name := o.get("ifname"); name != "" && !strings.Contains(name, "%d") {
			return "the interface " + name, "leave ifname out, or use -netdev user"
		}
	case "vhost-vdpa":
		return "the device " + o.get("vhostdev"), leaveOut
	case "vhost-user":
		return o.claimsBackend(others)
	case "socket":
		for _, name := range []string{"listen", "localaddr"} {
			address := o.get(name)
			if port := address[strings.LastIndex(address, ":")+1:]; fixed(port) && (name == "listen" || o.get("mcast") == "") {
				return "the port " + port, "use -netdev user, or leave it out"
			}
		}
	case "stream":
		if o.on("server") {
			return claimedAddress(o.properties, "addr.")
		}
	case "dgram":
		return claimedAddress(o.properties, "local.")
	case "l2tpv3":
		if port := o.get("srcport"); fixed(port) {
			return "the UDP port " + port, anyPort
		}
	}
	return "", ""
}

// claimedAddress is for addresses as QMP writes them: type, host and port, or path.
func claimedAddress(p properties, prefix string) (what, remedy string) {
	switch p.get(prefix + "type") {
	case "unix":
		return "the socket " + p.get(prefix+"path"), leaveOut
	case "inet":
		if port := p.get(prefix + "port"); fixed(port) && !p.has(prefix+"to") {
			return "the port " + port, anyPort
		}
	}
	return "", ""
}

// forwarded is the host's end of a hostfwd: [tcp|udp]:[ADDRESS]:PORT-[ADDRESS]:PORT.
func forwarded(rule string) string {
	host := rule[:max(strings.LastIndex(rule, "-"), 0)]
	protocol, address, ok := strings.Cut(host, ":")
	if !ok {
		return ""
	}
	if protocol == "unix" {
		return "the socket " + address
	}
	port := address[strings.LastIndex(address, ":")+1:]
	if !fixed(port) {
		return ""
	}
	if protocol == "" {
		protocol = "tcp"
	}
	return "the host's " + strings.ToUpper(protocol) + " port " + port
}

// claimsDevice is for -device.
func (o option) claimsDevice(others []option) (what, remedy string) {
	switch kind := o.kind(); {
	case strings.HasPrefix(kind, "vfio-"):
		for _, name := range []string{"host", "sysfsdev"} {
			if host := o.get(name); host != "" {
				return "the host's device " + host, leaveOut
			}
		}
	case kind == "usb-host":
		return "the host's USB device", leaveOut
	case strings.HasPrefix(kind, "vhost-vsock"):
		if cid := o.get("guest-cid"); cid != "" {
			return "the vsock address " + cid, leaveOut
		}
	case strings.HasPrefix(kind, "vhost-vdpa"):
		return "the device " + o.get("vhostdev"), leaveOut
	case strings.HasPrefix(kind, "vhost-user"):
		return o.claimsBackend(others)
	}
	return "", ""
}

// claimsBackend is for what connects to a process that serves one QEMU, through a
// -chardev with a socket.
func (o option) claimsBackend(others []option) (what, remedy string) {
	id := o.get("chardev")
	for _, other := range others {
		if id != "" && other.name == "chardev" && other.get("id") == id && other.get("path") != "" {
			return "the backend at " + other.get("path"), leaveOut
		}
	}
	return "", ""
}

// sharesRAM reports whether a memory backend maps a file that another QEMU with the same
// option would map, too. In a folder each QEMU makes its own.
func (o option) sharesRAM() bool {
	path := o.get("mem-path")
	if o.kind() != "memory-backend-file" || !o.on("share") || o.on("readonly") || path == "" {
		return false
	}
	info, err := os.Stat(path)
	return err != nil || !info.IsDir()
}

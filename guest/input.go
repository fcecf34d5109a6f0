package guest

// An Input is what can be done with an input device. QEMU gives what is typed, clicked or moved to
// one device of each kind, the one that was activated last: so a guest can have one of each.
type Input string

// The kinds of input devices. A machine may have its own beside them, such as a PC's on PS/2.
const (
	Keyboard Input = "keyboard" // it can be typed at
	Tablet   Input = "tablet"   // it can be clicked, and moved to a place
)

// inputDevices are those that the guest listens to.
func inputDevices() []Device {
	usb := []string{"usbhid", "hid_generic", "evdev"}
	return []Device{
		virtioInput(Keyboard, "a keyboard"),
		virtioInput(Tablet, "a tablet"),
		{
			Name: "usb-kbd", Doc: "a USB keyboard, behind its controller", Modules: append([]string{"xhci_pci"}, usb...), Workers: []string{"usb", "input"}, Input: Keyboard,
			Args: plain("-device", "qemu-xhci,id=guest-keyboard-bus", "-device", "usb-kbd,id=guest-keyboard,bus=guest-keyboard-bus.0,serial="+serialOf("usb-kbd")),
		},
		{
			Name: "usb-tablet", Doc: "a USB tablet, behind its controller", Modules: append([]string{"xhci_pci"}, usb...), Workers: []string{"usb", "input"}, Input: Tablet,
			Args: plain("-device", "qemu-xhci,id=guest-tablet-bus", "-device", "usb-tablet,id=guest-tablet,bus=guest-tablet-bus.0,serial="+serialOf("usb-tablet")),
		},
		{
			Name: "usb-tablet-uhci", Doc: "a USB tablet of full speed, behind an EHCI controller and its UHCI companion",
			Modules: append([]string{"ehci_pci", "uhci_hcd"}, usb...), Workers: []string{"usb", "input"}, Input: Tablet,
			Args: plain(
				"-device", "ich9-usb-ehci1,id=guest-ehci,addr=1d.7,multifunction=on",
				"-device", "ich9-usb-uhci1,id=guest-uhci,masterbus=guest-ehci.0,firstport=0,addr=1d.0,multifunction=on",
				"-device", "usb-tablet,id=guest-uhci-tablet,bus=guest-ehci.0,usb_version=1,serial="+serialOf("usb-tablet-uhci")),
		},
	}
}

// virtioInput is a virtio device of that kind.
func virtioInput(kind Input, doc string) Device {
	name := "virtio-" + string(kind)
	return Device{
		Name: name, Doc: doc, Modules: []string{"virtio_pci", "virtio_input", "evdev"}, Workers: []string{"input"}, Input: kind,
		Args: plain("-device", name+",id=guest-"+name+",serial="+serialOf(name)),
	}
}

//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"syscall"
	"time"
	"unsafe"
)

// netTimeout is how long the kernel may take to find a network device, once it has the module.
const netTimeout = onlineTimeout

// awaitNet is the network device with that MAC address, once the kernel has found it and it has
// these flags.
func awaitNet(mac string, flags net.Flags) (net.Interface, error) {
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		all, err := net.Interfaces()
		if err != nil {
			return net.Interface{}, err
		}
		for _, i := range all {
			if i.HardwareAddr.String() == mac && i.Flags&flags == flags {
				return i, nil
			}
		}
		if time.Since(began) > netTimeout {
			return net.Interface{}, fmt.Errorf("no network device has the MAC address %s and the flags %q", mac, flags)
		}
	}
}

// configureNet brings the network device with that MAC address up, and gives it an IPv4 address
// in a network of 24 bits. It returns the kernel's name of the device.
func configureNet(mac string, address [4]byte) (name string, err error) {
	device, err := awaitNet(mac, 0)
	if err != nil {
		return "", err
	}
	name = device.Name
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer syscall.Close(s)
	for _, step := range []struct {
		what    string
		request uintptr
		value   [16]byte
	}{
		{"address", syscall.SIOCSIFADDR, inetAddress(address)},
		{"netmask", syscall.SIOCSIFNETMASK, inetAddress([4]byte{255, 255, 255, 0})},
		{"flags", syscall.SIOCSIFFLAGS, interfaceFlags(syscall.IFF_UP | syscall.IFF_RUNNING)},
	} {
		// struct ifreq: a name, and a union of 24 bytes.
		var request [40]byte
		copy(request[:15], name)
		copy(request[16:], step.value[:])
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(s), step.request, uintptr(unsafe.Pointer(&request[0]))); errno != 0 {
			return "", fmt.Errorf("the %s of %s: %w", step.what, name, errno)
		}
	}
	return name, nil
}

// inetAddress is a struct sockaddr_in.
func inetAddress(address [4]byte) (a [16]byte) {
	binary.NativeEndian.PutUint16(a[:], syscall.AF_INET)
	copy(a[4:], address[:])
	return a
}

func interfaceFlags(flags uint16) (a [16]byte) {
	binary.NativeEndian.PutUint16(a[:], flags)
	return a
}

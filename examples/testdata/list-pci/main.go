// Command list-pci prints the vendor and the device of what is on the PCI buses.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	devices, _ := filepath.Glob("/sys/bus/pci/devices/*")
	for _, d := range devices {
		vendor, err := os.ReadFile(filepath.Join(d, "vendor"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		device, err := os.ReadFile(filepath.Join(d, "device"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%s %s:%s\n", filepath.Base(d), strings.TrimSpace(string(vendor)), strings.TrimSpace(string(device)))
	}
}

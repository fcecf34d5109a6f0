//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// identify has a vCPU execute CPUID: what it says by leaf and register, as the bits that are
// set. What tells one vCPU or one moment from another is left out.
func identify(vcpu int) (properties map[string]string, err error) {
	err = onEach([]int{vcpu}, func(int) {
		properties = map[string]string{}
		most, vendor1, vendor3, vendor2 := cpuid(0, 0)
		properties["vendor and last leaf"] = fmt.Sprintf("%08x%08x%08x %#x", vendor1, vendor2, vendor3, most)
		ax, _, cx, dx := cpuid(1, 0)
		properties["leaf 0x1 EAX"] = fmt.Sprintf("%#x", ax)
		properties["bits of leaf 0x1 ECX"], properties["bits of leaf 0x1 EDX"] = setBits(cx), setBits(dx)
		if most >= 7 {
			_, bx, cx, dx := cpuid(7, 0)
			const ospke = 1 << 4 // what the kernel has enabled
			properties["bits of leaf 0x7 EBX"], properties["bits of leaf 0x7 ECX"], properties["bits of leaf 0x7 EDX"] = setBits(bx), setBits(cx&^ospke), setBits(dx)
		}
		if most >= 0xd {
			ax, _, _, _ := cpuid(0xd, 0)
			enabled, _, _, _ := cpuid(0xd, 1)
			properties["bits of leaf 0xd EAX"], properties["bits of leaf 0xd.1 EAX"] = setBits(ax), setBits(enabled)
		}
		if last, _, _, _ := cpuid(0x80000000, 0); last >= 0x80000001 {
			_, _, cx, dx := cpuid(0x80000001, 0)
			properties["bits of leaf 0x80000001 ECX"], properties["bits of leaf 0x80000001 EDX"] = setBits(cx), setBits(dx)
		}
	})
	return properties, err
}

// setBits are their numbers.
func setBits(value uint32) string {
	var all []string
	for bit := range 32 {
		if value&(1<<bit) != 0 {
			all = append(all, strconv.Itoa(bit))
		}
	}
	return strings.Join(all, " ")
}

//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const someCPUInfo = `processor	: 0
model name	: QEMU Virtual CPU
cpu MHz		: 2000.1
flags		: fpu avx sse
bogomips	: 4000.2

processor	: 1
model name	: QEMU Virtual CPU
cpu MHz		: 2000.1
flags		: fpu avx sse
`

func TestWhatChangesOfAVCPUIsNamed(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(someCPUInfo, old, new, 1) }
	for text, want := range map[string][]string{
		someCPUInfo:                    nil,
		replace("2000.1", "1999.9"):    nil,
		replace("4000.2", "3999.9"):    nil,
		replace("avx sse", "sse avx2"): {`the flags of vCPU 0 changed: lost are avx, and new are avx2`},
		replace("avx sse", "sse"):      {`the flags of vCPU 0 changed: lost are avx, and new are none`},
		replace("Virtual", "virtual"):  {`the model name of vCPU 0 changed: expected "QEMU Virtual CPU", found "QEMU virtual CPU"`},
		replace("flags", "cores"):      {`the cores of vCPU 0 changed: expected "", found "fpu avx sse"`, `the flags of vCPU 0 changed: lost are fpu, avx, sse, and new are none`},
	} {
		require.Equal(t, want, changes(cpuInfo(someCPUInfo), cpuInfo(text)), text)
	}
}

func TestAVCPUThatIsGoneIsNamed(t *testing.T) {
	one, _, _ := strings.Cut(someCPUInfo, "processor	: 1")
	require.Contains(t, strings.Join(changes(cpuInfo(someCPUInfo), cpuInfo(one)), "; "), `of vCPU 1 changed`)
}

func TestAVCPUSaysTheSameOfItselfTwice(t *testing.T) {
	first, err := identify(vcpusOnline()[0])
	require.NoError(t, err)
	again, err := identify(vcpusOnline()[0])
	require.NoError(t, err)
	require.Equal(t, first, again)
}

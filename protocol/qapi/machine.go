package qapi

import (
	"context"
	"encoding/json"
	"fmt"
)

// VersionInfo is QEMU's version. It is for people: ask the schema what QEMU can do.
type VersionInfo struct {
	Major   int
	Minor   int
	Micro   int
	Package string // the distribution's, may be empty
}

func (v VersionInfo) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// versionReply is VersionInfo as it comes.
type versionReply struct {
	QEMU struct {
		Major int `json:"major"`
		Minor int `json:"minor"`
		Micro int `json:"micro"`
	} `json:"qemu"`
	Package string `json:"package"`
}

// QueryVersion returns QEMU's version.
func QueryVersion(ctx context.Context, e Executor) (VersionInfo, error) {
	r, _, err := query[versionReply](ctx, e, "query-version", nil)
	return VersionInfo{r.QEMU.Major, r.QEMU.Minor, r.QEMU.Micro, r.Package}, err
}

// targetReply is what query-target answers.
type targetReply struct {
	Arch string `json:"arch"`
}

// QueryTarget returns the architecture that the binary emulates, by QEMU's name:
// x86_64, i386, ppc64, aarch64.
func QueryTarget(ctx context.Context, e Executor) (string, error) {
	r, _, err := query[targetReply](ctx, e, "query-target", nil)
	return r.Arch, err
}

// MachineInfo is a machine type (qapi/machine.json).
type MachineInfo struct {
	Name             string           `json:"name"`               // as -machine takes it, such as pc-i440fx-10.0
	Alias            string           `json:"alias"`              // such as pc; "" for none
	IsDefault        bool             `json:"is-default"`         // what QEMU takes without -machine
	CPUMax           int              `json:"cpu-max"`            // how many CPUs it may have
	HotpluggableCPUs bool             `json:"hotpluggable-cpus"`  // CPUs may be devices
	NUMAMemSupported bool             `json:"numa-mem-supported"` // -numa node,mem= is understood
	Deprecated       bool             `json:"deprecated"`         // it will go away
	DefaultCPUType   string           `json:"default-cpu-type"`   // the QOM type of its CPUs
	DefaultRAMID     string           `json:"default-ram-id"`     // the id of its memory backend
	ACPI             bool             `json:"acpi"`               // since 8.0
	CompatProps      []CompatProperty `json:"compat-props"`       // asked for only; since 9.1
	Raw              json.RawMessage  `json:"-"`
}

// CompatProperty is a property that a machine type sets on devices, to make them as
// they were in the version that it is named after.
type CompatProperty struct {
	QOMType  string `json:"qom-type"`
	Property string `json:"property"`
	Value    string `json:"value"`
}

// UnmarshalJSON keeps the machine type as it came in Raw.
func (m *MachineInfo) UnmarshalJSON(data []byte) error {
	type plain MachineInfo
	if err := json.Unmarshal(data, (*plain)(m)); err != nil {
		return err
	}
	m.Raw = append(json.RawMessage(nil), data...)
	return nil
}

// QueryMachines returns the machine types that the binary has.
func QueryMachines(ctx context.Context, e Executor) ([]MachineInfo, error) {
	list, _, err := query[[]MachineInfo](ctx, e, "query-machines", nil)
	return list, err
}

// QueryMachinesCompat is [QueryMachines] with each machine type's CompatProps. QEMU
// refuses it before 9.1.
func QueryMachinesCompat(ctx context.Context, e Executor) ([]MachineInfo, error) {
	list, _, err := query[[]MachineInfo](ctx, e, "query-machines", map[string]bool{"compat-props": true})
	return list, err
}

// MemorySizeInfo is how much memory a guest has, in bytes (MemoryInfo in
// qapi/machine.json).
type MemorySizeInfo struct {
	Base    uint64 `json:"base-memory"`              // that the machine began with
	Plugged uint64 `json:"plugged-memory,omitempty"` // in DIMMs and the like
}

// QueryMemorySizeSummary returns how much memory the guest has. Since 2.11.
func QueryMemorySizeSummary(ctx context.Context, e Executor) (MemorySizeInfo, error) {
	info, _, err := query[MemorySizeInfo](ctx, e, "query-memory-size-summary", nil)
	return info, err
}

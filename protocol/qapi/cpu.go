package qapi

import (
	"context"
	"encoding/json"
)

// CPUInfo is a virtual CPU (CpuInfoFast in qapi/machine.json).
type CPUInfo struct {
	Index    int              `json:"cpu-index"`
	QOMPath  string           `json:"qom-path"`
	QOMType  string           `json:"qom-type"`  // since 10.1
	ThreadID int              `json:"thread-id"` // of the host's thread that runs it
	Props    map[string]int64 `json:"props"`     // where it sits: socket-id, core-id, thread-id, node-id and so on
	Target   string           `json:"target"`    // QEMU's name of the architecture
	Arch     string           `json:"arch"`      // the same, coarser; removed in 6.0

	// Of s390x.
	State       string `json:"cpu-state"`
	Dedicated   bool   `json:"dedicated"`   // since 8.2
	Entitlement string `json:"entitlement"` // since 8.2

	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON keeps the CPU as it came in Raw.
func (c *CPUInfo) UnmarshalJSON(data []byte) error {
	type plain CPUInfo
	if err := json.Unmarshal(data, (*plain)(c)); err != nil {
		return err
	}
	c.Raw = append(json.RawMessage(nil), data...)
	return nil
}

// QueryCPUsFast returns the virtual CPUs, without disturbing them.
func QueryCPUsFast(ctx context.Context, e Executor) ([]CPUInfo, error) {
	list, _, err := query[[]CPUInfo](ctx, e, "query-cpus-fast", nil)
	return list, err
}

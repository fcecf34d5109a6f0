package qapi

import "context"

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

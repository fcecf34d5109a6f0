package record

import "time"

// A Sample is what the source reported of a migration at a time, while steps waited.
type Sample struct {
	Time      time.Time
	Status    string  // the migration's
	Bytes     uint64  // sent so far
	Remaining uint64  `json:",omitempty"` // bytes of RAM that are dirty and not sent
	DirtyRate uint64  `json:",omitempty"` // pages a second that the guest dirties; 0 where QEMU has not measured
	Mbps      float64 `json:",omitempty"` // throughput of the last stretch that QEMU measured, in megabits a second
	Passes    int64   `json:",omitempty"` // dirty bitmap syncs
	// DowntimeMS is how long the guest has been paused for its switchover: from the source's STOP
	// to the destination's RESUME, or to now.
	DowntimeMS float64 `json:",omitempty"`
	Throttle   int64   `json:",omitempty"` // of the guest's vCPUs by auto-converge, in percent
	Limit      uint64  `json:",omitempty"` // max-bandwidth, in bytes a second; 0 where the scenario set none
	// OnLink is how many bytes went over the link from the source, where the scenario taps it.
	OnLink *int64 `json:",omitempty"`
}

// MaxSamples bounds the samples of one migration: where there would be more, every second is
// dropped.
const MaxSamples = 512

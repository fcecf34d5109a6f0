package qapi

import (
	"context"
	"encoding/json"
)

// A MigrationStatus is the state of a migration (MigrationStatus in
// qapi/migration.json).
type MigrationStatus string

// The statuses, and the version since which there is one, where that is after 2.3.
const (
	MigrationNone            MigrationStatus = "none"                   // there never was one
	MigrationSetup           MigrationStatus = "setup"                  // the connection is made; the destination listens
	MigrationCancelling      MigrationStatus = "cancelling"             //
	MigrationCancelled       MigrationStatus = "cancelled"              //
	MigrationActive          MigrationStatus = "active"                 // precopy
	MigrationPostcopyDevice  MigrationStatus = "postcopy-device"        // postcopy, the destination loads devices and does not run; 10.2
	MigrationPostcopyActive  MigrationStatus = "postcopy-active"        // postcopy, the destination runs; 2.5
	MigrationPostcopyPaused  MigrationStatus = "postcopy-paused"        // its connection broke; 3.0
	MigrationRecoverSetup    MigrationStatus = "postcopy-recover-setup" // the new connection is made; 9.1
	MigrationPostcopyRecover MigrationStatus = "postcopy-recover"       // both sides agree on what is missing; 3.0
	MigrationCompleted       MigrationStatus = "completed"              //
	MigrationFailing         MigrationStatus = "failing"                // it failed, and cleans up; 11.0
	MigrationFailed          MigrationStatus = "failed"                 //
	MigrationColo            MigrationStatus = "colo"                   // checkpoint follows checkpoint; 2.8
	MigrationPreSwitchover   MigrationStatus = "pre-switchover"         // waits for migrate-continue; 2.11
	MigrationDevice          MigrationStatus = "device"                 // switchover: devices are sent; always seen since 10.0
	MigrationWaitUnplug      MigrationStatus = "wait-unplug"            // the guest gives a device up; 4.2
)

// MigrationInfo is the answer to query-migrate (qapi/migration.json). A counter that
// is a pointer is nil where QEMU doesn't send it; the others are 0 then.
type MigrationInfo struct {
	Status    MigrationStatus `json:"status"`     // empty where there was no migration
	ErrorDesc string          `json:"error-desc"` // why it failed, for people

	TotalTime        int64 `json:"total-time"`        // milliseconds since it began, or that it took
	SetupTime        int64 `json:"setup-time"`        // milliseconds before the first pass
	ExpectedDowntime int64 `json:"expected-downtime"` // milliseconds, estimated at the last pass; while active
	Downtime         int64 `json:"downtime"`          // milliseconds; once completed

	RAM       *MigrationRAM `json:"ram"`       // nil before it is active
	Remaining *int64        `json:"remaining"` // bytes, of RAM and devices together; since 11.1
	Disk      *MigrationRAM `json:"disk"`      // of the capability block; removed in 9.1
	VFIO      *VFIOStats    `json:"vfio"`      // where all devices of that kind can migrate

	XBZRLE      *XBZRLEStats      `json:"xbzrle-cache"` // with the capability xbzrle
	Compression *CompressionStats `json:"compression"`  // with the capability compress; removed in 9.1

	// CPUThrottle is how much of their time the guest's CPUs are kept from running, in
	// percent; nil where auto-converge has not begun.
	CPUThrottle *int64 `json:"cpu-throttle-percentage"`
	// How long the capability dirty-limit held CPUs up in the last round at most, and
	// how long a CPU takes to fill its dirty ring, both in microseconds. Since 8.1.
	DirtyLimitThrottle *uint64 `json:"dirty-limit-throttle-time-per-round"`
	DirtyLimitRingFull *uint64 `json:"dirty-limit-ring-full-time"`

	// With the capability postcopy-blocktime, on the destination: how long all CPUs
	// together, and each by its index, waited for pages, in milliseconds.
	BlockTime     *uint32  `json:"postcopy-blocktime"`
	VCPUBlockTime []uint32 `json:"postcopy-vcpu-blocktime"`
	// With the same, since 10.1 and unstable: how long a page took to come on average,
	// over all, for each CPU, and for what is no CPU, in nanoseconds; and how many took
	// from 2^N up to 2^(N+1) microseconds.
	Latency        *uint64  `json:"postcopy-latency"`
	VCPULatency    []uint64 `json:"postcopy-vcpu-latency"`
	NonVCPULatency *uint64  `json:"postcopy-non-vcpu-latency"`
	LatencyDist    []uint64 `json:"postcopy-latency-dist"`

	SocketAddress  []SocketAddress `json:"socket-address"`  // where the destination listens
	BlockedReasons []string        `json:"blocked-reasons"` // why this VM can't migrate, for people; since 6.0

	Raw json.RawMessage `json:"-"` // the reply as it came
}

// MigrationRAM counts what was sent of the guest's RAM (MigrationRAMStats): bytes,
// unless the comment says otherwise.
type MigrationRAM struct {
	Transferred             uint64  `json:"transferred"`
	Remaining               uint64  `json:"remaining"`
	Total                   uint64  `json:"total"`
	Duplicate               uint64  `json:"duplicate"` // pages of one value, which is zero
	Skipped                 uint64  `json:"skipped"`   // always 0; removed in 9.1
	Normal                  uint64  `json:"normal"`    // pages
	NormalBytes             uint64  `json:"normal-bytes"`
	DirtyPagesRate          uint64  `json:"dirty-pages-rate"`            // pages a second
	MBPS                    float64 `json:"mbps"`                        // megabits a second
	DirtySyncCount          int64   `json:"dirty-sync-count"`            // times that the dirty bitmap was fetched
	DirtySyncMissedZeroCopy uint64  `json:"dirty-sync-missed-zero-copy"` // times that zero-copy-send copied; since 7.1
	PostcopyRequests        uint64  `json:"postcopy-requests"`           // pages that the destination asked for
	PageSize                uint64  `json:"page-size"`                   // of the pages counted here
	MultifdBytes            uint64  `json:"multifd-bytes"`
	PagesPerSecond          uint64  `json:"pages-per-second"` // sent
	PrecopyBytes            uint64  `json:"precopy-bytes"`    // since 7.0, as the next two
	DowntimeBytes           uint64  `json:"downtime-bytes"`   // while the guest was paused
	PostcopyBytes           uint64  `json:"postcopy-bytes"`
}

// VFIOStats count what was sent of host devices that the guest has.
type VFIOStats struct {
	Transferred int64 `json:"transferred"` // bytes
}

// XBZRLEStats count pages that were sent again as XBZRLE deltas.
type XBZRLEStats struct {
	CacheSize     uint64  `json:"cache-size"` // bytes
	Bytes         int64   `json:"bytes"`      // sent
	Pages         int64   `json:"pages"`      // sent
	CacheMiss     int64   `json:"cache-miss"` // pages
	CacheMissRate float64 `json:"cache-miss-rate"`
	EncodingRate  float64 `json:"encoding-rate"` // bytes of pages to bytes sent
	Overflow      int64   `json:"overflow"`      // pages whose delta was too long
}

// CompressionStats count how well pages were compressed, before 9.1.
type CompressionStats struct {
	Pages           int64   `json:"pages"`
	Busy            int64   `json:"busy"` // times that no thread was free
	BusyRate        float64 `json:"busy-rate"`
	CompressedSize  int64   `json:"compressed-size"` // bytes
	CompressionRate float64 `json:"compression-rate"`
}

// QueryMigrate returns the state of the present or last migration.
func QueryMigrate(ctx context.Context, e Executor) (MigrationInfo, error) {
	info, raw, err := query[MigrationInfo](ctx, e, "query-migrate", nil)
	info.Raw = raw
	return info, err
}

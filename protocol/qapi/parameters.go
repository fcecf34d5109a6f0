package qapi

import (
	"context"
	"encoding/json"
)

// MigrationParameters are what a migration is tuned by (qapi/migration.json). QEMU
// answers with all that it knows; what it doesn't know is nil. To set some, leave the
// others nil: MigrationParameters{DowntimeLimit: new(uint64(300))}.
type MigrationParameters struct {
	MaxBandwidth             *uint64 `json:"max-bandwidth,omitempty"`              // bytes a second; 0 is no limit
	AvailSwitchoverBandwidth *uint64 `json:"avail-switchover-bandwidth,omitempty"` // bytes a second that switchover is reckoned with, 0 for QEMU's own estimate; since 8.2
	MaxPostcopyBandwidth     *uint64 `json:"max-postcopy-bandwidth,omitempty"`     // bytes a second in the background of postcopy; 0 is no limit
	DowntimeLimit            *uint64 `json:"downtime-limit,omitempty"`             // milliseconds

	AnnounceInitial *uint64 `json:"announce-initial,omitempty"` // milliseconds before the guest's first announcement on the network
	AnnounceMax     *uint64 `json:"announce-max,omitempty"`     // milliseconds between two, at most
	AnnounceRounds  *uint64 `json:"announce-rounds,omitempty"`  // how many
	AnnounceStep    *uint64 `json:"announce-step,omitempty"`    // milliseconds longer each time

	ThrottleTriggerThreshold *uint8 `json:"throttle-trigger-threshold,omitempty"` // percent of what was sent that may have been dirtied meanwhile
	CPUThrottleInitial       *uint8 `json:"cpu-throttle-initial,omitempty"`       // percent
	CPUThrottleIncrement     *uint8 `json:"cpu-throttle-increment,omitempty"`     // percent
	CPUThrottleTailslow      *bool  `json:"cpu-throttle-tailslow,omitempty"`      // smaller steps towards the end
	MaxCPUThrottle           *uint8 `json:"max-cpu-throttle,omitempty"`           // percent

	TLSCreds    *string `json:"tls-creds,omitempty"`    // id of a tls-creds object; "" switches TLS off
	TLSHostname *string `json:"tls-hostname,omitempty"` // that the destination's certificate has to name; "" takes the URI's
	TLSAuthz    *string `json:"tls-authz,omitempty"`    // id of an authz object; "" for none

	MultifdChannels    *uint8  `json:"multifd-channels,omitempty"`     // how many
	MultifdCompression *string `json:"multifd-compression,omitempty"`  // none, zlib, zstd, qatzip, qpl or uadk, as it was built
	MultifdZlibLevel   *uint8  `json:"multifd-zlib-level,omitempty"`   // 0 to 9
	MultifdQatzipLevel *uint8  `json:"multifd-qatzip-level,omitempty"` // 1 to 9; since 9.2
	MultifdZstdLevel   *uint8  `json:"multifd-zstd-level,omitempty"`   // 0 to 20
	ZeroPageDetection  *string `json:"zero-page-detection,omitempty"`  // none, legacy or multifd; since 9.0
	XBZRLECacheSize    *uint64 `json:"xbzrle-cache-size,omitempty"`    // bytes, a power of two
	DirectIO           *bool   `json:"direct-io,omitempty"`            // files without the host's page cache; since 9.1

	Mode           *string  `json:"mode,omitempty"`             // normal, cpr-reboot, cpr-transfer or cpr-exec; since 8.2
	CPRExecCommand []string `json:"cpr-exec-command,omitempty"` // the program and its arguments; since 10.2

	VCPUDirtyLimit       *uint64 `json:"vcpu-dirty-limit,omitempty"`          // MiB a second that a CPU may dirty; since 8.1
	VCPUDirtyLimitPeriod *uint64 `json:"x-vcpu-dirty-limit-period,omitempty"` // milliseconds; since 8.1, unstable
	CheckpointDelay      *uint32 `json:"x-checkpoint-delay,omitempty"`        // milliseconds between two checkpoints of COLO; unstable
	RDMAChunkSize        *uint64 `json:"x-rdma-chunk-size,omitempty"`         // bytes, a power of two; since 11.1, unstable

	BlockBitmapMapping json.RawMessage `json:"block-bitmap-mapping,omitempty"` // which dirty bitmap has which name on the other side

	// Gone in 9.1, with the capabilities block and compress.
	BlockIncremental   *bool  `json:"block-incremental,omitempty"`
	CompressLevel      *uint8 `json:"compress-level,omitempty"` // 0 to 9
	CompressThreads    *uint8 `json:"compress-threads,omitempty"`
	CompressWaitThread *bool  `json:"compress-wait-thread,omitempty"`
	DecompressThreads  *uint8 `json:"decompress-threads,omitempty"`

	Raw json.RawMessage `json:"-"` // the reply as it came
}

// QueryMigrationParameters returns the migration parameters.
func QueryMigrationParameters(ctx context.Context, e Executor) (MigrationParameters, error) {
	p, raw, err := query[MigrationParameters](ctx, e, "query-migrate-parameters", nil)
	p.Raw = raw
	return p, err
}

// SetMigrationParameters sets those that aren't nil.
func SetMigrationParameters(ctx context.Context, e Executor, p MigrationParameters) error {
	return do(ctx, e, "migrate-set-parameters", p)
}

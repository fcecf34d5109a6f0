package qapi

import (
	"context"
	"encoding/json"
)

// A MigrationStatus is where a migration stands (MigrationStatus in
// qapi/migration.json).
type MigrationStatus string

// The statuses.
const (
	MigrationNone            MigrationStatus = "none"
	MigrationSetup           MigrationStatus = "setup"
	MigrationCancelling      MigrationStatus = "cancelling"
	MigrationCancelled       MigrationStatus = "cancelled"
	MigrationActive          MigrationStatus = "active"
	MigrationPostcopyActive  MigrationStatus = "postcopy-active"
	MigrationPostcopyPaused  MigrationStatus = "postcopy-paused"
	MigrationPostcopyRecover MigrationStatus = "postcopy-recover"
	MigrationCompleted       MigrationStatus = "completed"
	MigrationFailed          MigrationStatus = "failed"
	MigrationPreSwitchover   MigrationStatus = "pre-switchover"
	MigrationDevice          MigrationStatus = "device"
	MigrationWaitUnplug      MigrationStatus = "wait-unplug"
	MigrationColo            MigrationStatus = "colo"
	MigrationPostcopyDevice  MigrationStatus = "postcopy-device"
	MigrationFailing         MigrationStatus = "failing"
	MigrationRecoverSetup    MigrationStatus = "postcopy-recover-setup"
)

// MigrationInfo is the answer to query-migrate. Times are in milliseconds.
type MigrationInfo struct {
	Status           MigrationStatus `json:"status"` // empty where there was no migration
	ErrorDesc        string          `json:"error-desc"`
	TotalTime        int64           `json:"total-time"`
	Downtime         int64           `json:"downtime"`
	ExpectedDowntime int64           `json:"expected-downtime"`
	SetupTime        int64           `json:"setup-time"`
	RAM              *MigrationRAM   `json:"ram"`
	BlockTime        *uint32         `json:"postcopy-blocktime"`
	Raw              json.RawMessage `json:"-"`
}

// MigrationRAM counts what was sent of the guest's RAM: bytes, unless the name
// says otherwise.
type MigrationRAM struct {
	Transferred      uint64  `json:"transferred"`
	Remaining        uint64  `json:"remaining"`
	Total            uint64  `json:"total"`
	Duplicate        uint64  `json:"duplicate"` // pages of zeroes
	Normal           uint64  `json:"normal"`    // pages
	NormalBytes      uint64  `json:"normal-bytes"`
	DirtyPagesRate   uint64  `json:"dirty-pages-rate"` // pages a second
	MBPS             float64 `json:"mbps"`             // megabits a second
	DirtySyncCount   int64   `json:"dirty-sync-count"`
	PostcopyRequests uint64  `json:"postcopy-requests"`
	PageSize         uint64  `json:"page-size"`
	MultifdBytes     uint64  `json:"multifd-bytes"`
	PagesPerSecond   uint64  `json:"pages-per-second"`
	PrecopyBytes     uint64  `json:"precopy-bytes"`
	DowntimeBytes    uint64  `json:"downtime-bytes"`
	PostcopyBytes    uint64  `json:"postcopy-bytes"`
}

// QueryMigrate returns where the present or last migration stands.
func QueryMigrate(ctx context.Context, e Executor) (MigrationInfo, error) {
	info, raw, err := query[MigrationInfo](ctx, e, "query-migrate")
	info.Raw = raw
	return info, err
}

// QueryMigrateCapabilities returns every capability that QEMU knows, and
// whether it is on.
func QueryMigrateCapabilities(ctx context.Context, e Executor) (map[string]bool, error) {
	list, _, err := query[[]capability](ctx, e, "query-migrate-capabilities")
	known := make(map[string]bool, len(list))
	for _, c := range list {
		known[c.Capability] = c.State
	}
	return known, err
}

type capability struct {
	Capability string `json:"capability"`
	State      bool   `json:"state"`
}

// SetMigrateCapabilities turns capabilities on and off.
func SetMigrateCapabilities(ctx context.Context, e Executor, states map[string]bool) error {
	list := []capability{}
	for name, state := range states {
		list = append(list, capability{name, state})
	}
	return e.Execute(ctx, "migrate-set-capabilities", map[string]any{"capabilities": list}, nil)
}

// QueryMigrateParameters returns every migration parameter as it came.
func QueryMigrateParameters(ctx context.Context, e Executor) (map[string]json.RawMessage, error) {
	all, _, err := query[map[string]json.RawMessage](ctx, e, "query-migrate-parameters")
	return all, err
}

// SetMigrateParameters gives migration parameters their values.
func SetMigrateParameters(ctx context.Context, e Executor, values map[string]any) error {
	return e.Execute(ctx, "migrate-set-parameters", values, nil)
}

// MigrateArguments say where to migrate to: a URI, or channels (since QEMU 8.2).
type MigrateArguments struct {
	URI      string `json:"uri,omitempty"`
	Channels any    `json:"channels,omitempty"`
	Resume   bool   `json:"resume,omitempty"`
}

// Migrate begins to migrate; it does not wait for the end.
func Migrate(ctx context.Context, e Executor, to MigrateArguments) error {
	return e.Execute(ctx, "migrate", to, nil)
}

// MigrateIncoming makes a QEMU that was started with -incoming defer listen.
func MigrateIncoming(ctx context.Context, e Executor, from MigrateArguments) error {
	return e.Execute(ctx, "migrate-incoming", from, nil)
}

// MigrateCancel gives the present migration up.
func MigrateCancel(ctx context.Context, e Executor) error {
	return e.Execute(ctx, "migrate_cancel", nil, nil)
}

// MigrateStartPostcopy switches the present migration to postcopy.
func MigrateStartPostcopy(ctx context.Context, e Executor) error {
	return e.Execute(ctx, "migrate-start-postcopy", nil, nil)
}

package qapi

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// MigrateArguments say where to migrate to: a URI such as unix:PATH, tcp:HOST:PORT,
// fd:NAME, exec:COMMAND or file:PATH (since 8.2), or one channel (since 8.2).
type MigrateArguments struct {
	URI      string             `json:"uri,omitempty"`
	Channels []MigrationChannel `json:"channels,omitempty"`
	Resume   bool               `json:"resume,omitempty"` // go on with a postcopy that is paused
}

// Migrate begins to migrate; it does not wait for the end. An error that shows up
// later is in [QueryMigrate].
func Migrate(ctx context.Context, e Executor, to MigrateArguments) error {
	return do(ctx, e, "migrate", to)
}

// IncomingArguments say where to expect a migration: as for [MigrateArguments].
type IncomingArguments struct {
	URI      string             `json:"uri,omitempty"`
	Channels []MigrationChannel `json:"channels,omitempty"`
	// ExitOnError reports whether QEMU exits when the migration fails; nil is QEMU's
	// own choice, which is to exit. Since 9.1.
	ExitOnError *bool `json:"exit-on-error,omitempty"`
}

// MigrateIncoming makes a QEMU that was started with -incoming defer listen. It
// listens when the call returns.
func MigrateIncoming(ctx context.Context, e Executor, from IncomingArguments) error {
	return do(ctx, e, "migrate-incoming", from)
}

// MigrateCancel cancels the present migration; without one it does nothing. The
// status goes by cancelling to cancelled.
func MigrateCancel(ctx context.Context, e Executor) error { return do(ctx, e, "migrate_cancel", nil) }

// MigrateContinue lets a migration go on that waits in the state given, which is
// pre-switchover: see the capability pause-before-switchover.
func MigrateContinue(ctx context.Context, e Executor, state MigrationStatus) error {
	return do(ctx, e, "migrate-continue", map[string]MigrationStatus{"state": state})
}

// MigrateStartPostcopy switches the present migration to postcopy, which needs the
// capability postcopy-ram on both sides.
func MigrateStartPostcopy(ctx context.Context, e Executor) error {
	return do(ctx, e, "migrate-start-postcopy", nil)
}

// MigratePause pauses a postcopy, as a broken network does. May be executed out of
// band: see [OOB].
func MigratePause(ctx context.Context, e Executor) error { return do(ctx, e, "migrate-pause", nil) }

// MigrateRecover makes the destination of a paused postcopy listen anew; the source
// goes on with [MigrateArguments.Resume]. May be executed out of band, and must be
// where the destination's monitor hangs on a page that is missing.
func MigrateRecover(ctx context.Context, e Executor, uri string) error {
	return do(ctx, e, "migrate-recover", map[string]string{"uri": uri})
}

// QueryMigrateCapabilities returns every capability that QEMU knows, and whether
// it is on.
func QueryMigrateCapabilities(ctx context.Context, e Executor) (map[string]bool, error) {
	list, _, err := query[[]capability](ctx, e, "query-migrate-capabilities", nil)
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

// SetMigrateCapabilities enables and disables capabilities, in the order of their
// names. QEMU refuses all of them where it refuses one.
func SetMigrateCapabilities(ctx context.Context, e Executor, states map[string]bool) error {
	list := []capability{}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		list = append(list, capability{name, states[name]})
	}
	return do(ctx, e, "migrate-set-capabilities", map[string]any{"capabilities": list})
}

// QueryMigrateParameters returns every migration parameter, by QEMU's names, as it came.
func QueryMigrateParameters(ctx context.Context, e Executor) (map[string]json.RawMessage, error) {
	all, _, err := query[map[string]json.RawMessage](ctx, e, "query-migrate-parameters", nil)
	return all, err
}

// SetMigrateParameters gives migration parameters their values, by QEMU's names, of
// which [Parameter] lists some: sizes in bytes, times in milliseconds, as QEMU has them.
// The others stay as they are. QEMU refuses all of them where it refuses one.
func SetMigrateParameters(ctx context.Context, e Executor, values map[string]any) error {
	return do(ctx, e, "migrate-set-parameters", values)
}

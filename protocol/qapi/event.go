package qapi

// The data of events that moving a VM meets, to decode qmp.Event.Data into.

// MigrationEvent is the data of MIGRATION, emitted at each change of the status where
// the capability events is on, on both sides (qapi/migration.json).
type MigrationEvent struct {
	Status MigrationStatus `json:"status"`
}

// MigrationPassEvent is the data of MIGRATION_PASS, emitted on the source where the
// capability events is on.
type MigrationPassEvent struct {
	Pass int `json:"pass"` // which pass over RAM begins, from 1
}

// ShutdownEvent is the data of SHUTDOWN (qapi/run-state.json). QEMU ends after it,
// unless it was started with -no-shutdown.
type ShutdownEvent struct {
	Guest  bool   `json:"guest"`  // the guest asked for it
	Reason string `json:"reason"` // such as host-qmp-quit, host-signal, guest-shutdown
}

// ResetEvent is the data of RESET.
type ResetEvent struct {
	Guest  bool   `json:"guest"`
	Reason string `json:"reason"`
}

// DeviceDeletedEvent is the data of DEVICE_DELETED (qapi/qdev.json): the guest has let
// go of the device.
type DeviceDeletedEvent struct {
	Device string `json:"device"` // its id; "" where it has none
	Path   string `json:"path"`   // in QOM
}

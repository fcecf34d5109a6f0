package qapi

// A Capability is a migration capability (MigrationCapability in qapi/migration.json). Any
// that a QEMU knows will do; those named here are the ones that drover itself uses.
type Capability string

// Capabilities of migration.
const (
	CapEvents                Capability = "events" // MIGRATION and MIGRATION_PASS
	CapPostcopyRAM           Capability = "postcopy-ram"
	CapPauseBeforeSwitchover Capability = "pause-before-switchover"
	CapMultifd               Capability = "multifd"
)

// A Parameter is a migration parameter (MigrationParameters in qapi/migration.json). Any
// that a QEMU knows will do, as with [Capability].
type Parameter string

// Parameters of migration.
const (
	ParamDowntimeLimit       Parameter = "downtime-limit"             // milliseconds
	ParamMaxBandwidth        Parameter = "max-bandwidth"              // bytes a second
	ParamSwitchoverBandwidth Parameter = "avail-switchover-bandwidth" // bytes a second, 0 for QEMU's own estimate; since 8.2
	ParamMultifdChannels     Parameter = "multifd-channels"
	ParamTLSCreds            Parameter = "tls-creds" // the id of a credentials object
	ParamTLSHostname         Parameter = "tls-hostname"
	ParamTLSAuthz            Parameter = "tls-authz" // the id of an authorization object
)

package qapi

// A Capability is a migration capability (MigrationCapability in qapi/migration.json). Any
// that a QEMU knows will do; those named here are the ones that are used in Go.
type Capability string

// Capabilities of migration.
const (
	CapPostcopyRAM           Capability = "postcopy-ram"
	CapPauseBeforeSwitchover Capability = "pause-before-switchover"
	CapMultifd               Capability = "multifd"
)

// A Parameter is a migration parameter (MigrationParameters in qapi/migration.json).
type Parameter string

// Parameters of migration.
const (
	ParamDowntimeLimit   Parameter = "downtime-limit" // milliseconds
	ParamMaxBandwidth    Parameter = "max-bandwidth"  // bytes a second
	ParamMultifdChannels Parameter = "multifd-channels"
	ParamTLSCreds        Parameter = "tls-creds" // the id of a credentials object
	ParamTLSHostname     Parameter = "tls-hostname"
	ParamTLSAuthz        Parameter = "tls-authz" // the id of an authorization object
)

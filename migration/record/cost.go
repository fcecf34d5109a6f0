package record

// CostFacts are what a migration cost its host and its guest, as seen from outside: from
// when it was asked for until both sides called it completed.
type CostFacts struct {
	Seconds     float64
	Source      SideCost
	Destination SideCost
	Guest       *GuestSpeed `json:",omitempty"` // nil where the console did not tell
	// Forced says that the migration did not converge in the time that it had, and was then
	// let go at any downtime.
	Forced bool `json:",omitempty"`
}

// A SideCost is what one QEMU used.
type SideCost struct {
	VCPUSeconds  float64 // CPU time of the threads that run the guest
	OtherSeconds float64 // and of all others: QEMU's own, those of the migration and of its channels
	PeakRSS      int64   // the most memory that was resident, in bytes, since it was started
}

// A GuestSpeed is how fast the guest was: heartbeats of its console a second, 0 where it was
// not watched for long enough to tell.
type GuestSpeed struct {
	Before float64 // on the source, before the migration
	During float64 // while it was sent: on the source until it was stopped
	// Postcopy is on the destination, until all has come.
	Postcopy float64 `json:",omitempty"`
	After    float64 // on the destination, when the migration was over
	// GapMS is the longest silence around the switchover, between two heartbeats one of which
	// came from the source and one from the destination, in milliseconds.
	GapMS float64
	// PeriodMS is the usual time between two heartbeats, before the migration.
	PeriodMS float64
}

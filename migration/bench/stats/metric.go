package stats

// A Metric is the name of a quantity, in results and in Go's benchmark format.
type Metric string

// What is measured of each migration.
const (
	Downtime         Metric = "downtime-sec"          // from the source's STOP to the destination's RESUME
	DowntimeReported Metric = "downtime-reported-sec" // as the source reports it
	DowntimeGuest    Metric = "downtime-guest-sec"    // silence of the guest's console around the switchover
	Total            Metric = "total-sec"             // from migrate until both sides call it completed
	Sent             Metric = "sent-B"                // as the source reports it
	Throughput       Metric = "throughput-B/s"        // what was sent, by the total time
	Passes           Metric = "passes"                // dirty bitmap syncs
	CPUSource        Metric = "cpu-source-sec"        // CPU time of the source's threads that run no vCPU
	CPUDestination   Metric = "cpu-destination-sec"
	VCPUSource       Metric = "vcpu-source-sec" // CPU time of its vCPUs' threads
	VCPUDestination  Metric = "vcpu-destination-sec"
	GuestSpeed       Metric = "guest-pages/s"      // written on the source, before the migration
	DirtyRate        Metric = "dirty-rate-B/s"     // the same in bytes; not there where it is always the same page
	GuestDuring      Metric = "guest-during-ratio" // its speed while it is sent, to that before
	GuestPostcopy    Metric = "guest-postcopy-ratio"
	GuestAfter       Metric = "guest-after-ratio" // on the destination, when all is over
	RSSSource        Metric = "rss-source-B"      // the most memory that was resident
	RSSDestination   Metric = "rss-destination-B"
	NotConverged     Metric = "not-converged"
)

// A MetricInfo says how to read a metric.
type MetricInfo struct {
	Metric

	Label  string // for people
	Unit   string // s, bytes, bytes/s or "" for a number
	Higher bool   // is better
	// Judged says that a baseline is held against it. What is not is told by what is: a
	// report of QEMU's beside what its events show, the passes beside the bytes.
	Judged bool
	// Resolution is what one look can't tell apart: a difference within it is none.
	Resolution float64
}

// Metrics are all of them, in the order in which they are shown.
func Metrics() []MetricInfo {
	const ms, mib = 0.001, 1 << 20
	return []MetricInfo{
		{NotConverged, "not converged", "", false, true, 0},
		{Total, "total time", "s", false, true, 10 * ms},
		{Downtime, "downtime", "s", false, true, 10 * ms},
		{DowntimeReported, "downtime, as the source reports it", "s", false, false, 10 * ms},
		{DowntimeGuest, "downtime, as the guest's heartbeat saw it", "s", false, false, 50 * ms},
		{Sent, "sent", "bytes", false, true, mib},
		{Throughput, "throughput", "bytes/s", true, true, mib},
		{Passes, "passes", "", false, false, 1},
		{CPUSource, "CPU time of the source, without its vCPUs", "s", false, true, 20 * ms},
		{CPUDestination, "CPU time of the destination, without its vCPUs", "s", false, true, 20 * ms},
		{VCPUSource, "CPU time of the source's vCPUs", "s", false, false, 20 * ms},
		{VCPUDestination, "CPU time of the destination's vCPUs", "s", false, false, 20 * ms},
		{GuestSpeed, "pages a second that the guest wrote before the migration", "", true, true, 0},
		{DirtyRate, "dirty rate before the migration", "bytes/s", true, false, mib},
		{GuestDuring, "speed of the guest while it is sent", "", true, true, 0.05},
		{GuestPostcopy, "speed of the guest in postcopy", "", true, true, 0.05},
		{GuestAfter, "speed of the guest afterwards", "", true, true, 0.05},
		{RSSSource, "peak RSS of the source", "bytes", false, true, mib},
		{RSSDestination, "peak RSS of the destination", "bytes", false, true, mib},
	}
}

// Info says how to read a metric; of one that is not known it has the name alone.
func Info(m Metric) MetricInfo {
	for _, info := range Metrics() {
		if info.Metric == m {
			return info
		}
	}
	return MetricInfo{Metric: m, Label: string(m)}
}

package migration

import (
	"time"

	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

// A hostWatch is what the host was like when a run began.
type hostWatch struct {
	began time.Time
	cpu   procfs.CPUTimes // of all processes
	own   time.Duration   // drover's
	load  float64
	ended time.Duration // CPU time of QEMUs that were looked at and have ended since
}

// mostSlowdown bounds what is made of a host that gives us next to nothing.
const mostSlowdown = 100

func watchHost() hostWatch {
	cpu, _ := procfs.HostCPU() // what can't be read is not measured
	own, _ := procfs.CPUOf(0)
	return hostWatch{began: time.Now(), cpu: cpu, own: own, load: procfs.LoadAverage()}
}

// noteHost gathers how much of the host others have taken while the run lasted: what
// takes a second on a quiet host takes Slowdown seconds here.
func (r *run) noteHost(p *Pair) {
	h := &r.host
	now, err := procfs.HostCPU()
	facts := &record.HostFacts{
		StoppedSeconds: r.clock.stoppedFor().Seconds(), LoadBefore: h.load, LoadAfter: procfs.LoadAverage(), CPUs: now.CPUs,
	}
	p.Facts.Host = facts
	wall := time.Since(h.began) * time.Duration(now.CPUs)
	if err != nil || h.cpu.CPUs == 0 || wall <= 0 {
		return
	}
	ours := h.ended - h.own
	if own, err := procfs.CPUOf(0); err == nil {
		ours += own
	}
	for _, s := range p.Sides() {
		if used, err := procfs.CPUOf(s.PID()); err == nil {
			ours += used
		}
	}
	share := float64(now.Busy-h.cpu.Busy-ours) / float64(wall)
	facts.Slowdown = min(1/max(1-max(share, 0), 1.0/mostSlowdown), mostSlowdown)
}

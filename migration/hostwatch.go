package migration

import (
	"time"

	"github.com/drover-vm/drover/migration/internal/procfs"
	"github.com/drover-vm/drover/migration/record"
)

// A hostWatch is what the host was like when a run began.
type hostWatch struct {
	began     time.Time
	busy, own time.Duration
	load      float64
}

// mostSlowdown bounds what is made of a host that gives us next to nothing.
const mostSlowdown = 100

func (r *run) watchHost() {
	cpu, _ := procfs.HostCPU() // what can't be read is not measured
	r.host = hostWatch{began: time.Now(), busy: cpu.Busy, own: r.clock.usage.own(), load: procfs.LoadAverage()}
}

// noteHost gathers how much of the host others have taken while the run lasted.
func (r *run) noteHost(p *Pair) { p.Facts.Host = r.hostFacts() }

// Host is what the host was like up to now: what takes a second on a quiet one takes
// Slowdown seconds here.
func (p *Pair) Host() *record.HostFacts { return p.run.hostFacts() }

func (r *run) hostFacts() *record.HostFacts {
	h := &r.host
	now, err := procfs.HostCPU()
	facts := &record.HostFacts{
		StoppedSeconds: r.clock.stoppedFor().Seconds(), LoadBefore: h.load, LoadAfter: procfs.LoadAverage(), CPUs: now.CPUs,
		CutShort: r.clock.cutShort(),
	}
	capacity := time.Since(h.began) * time.Duration(now.CPUs)
	if err != nil || h.busy == 0 || capacity <= 0 {
		return facts
	}
	others := now.Busy - h.busy - (r.clock.usage.own() - h.own)
	share := max(float64(others)/float64(capacity), 0)
	facts.Slowdown = min(1/max(1-share, 1.0/mostSlowdown), mostSlowdown)
	return facts
}

package migration

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// A sampler asks the source for query-migrate while steps wait for a migration. It asks
// often in the beginning, for a migration may be over in a moment, and seldom later: a
// twelfth of the time that the migration has taken lies between two samples. It has one
// command under way at a time, so that a QEMU that hangs isn't asked again.
type sampler struct {
	watch func(record.Sample) // nil where nobody looks on
	sent  func() int64        // bytes over the link; nil where it isn't tapped
	limit uint64

	source, destination *Side // whose migration it is; nil before there is one
	began               time.Time

	mu      sync.Mutex
	waiting int // steps, or parts of one, that wait
	stop    context.CancelFunc
	ended   sync.WaitGroup
	samples []record.Sample
	stride  int // of so many samples one is kept
	skipped int
}

const (
	sampleSoonest = 40 * time.Millisecond
	sampleLatest  = 500 * time.Millisecond
	sampleShare   = 12 // of the time that the migration has taken
)

// of makes the sampler one of a migration of the pair that begins now.
func (s *sampler) of(p *Pair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source != p.Source || s.stride == 0 { // another attempt from the same source goes on
		s.samples, s.stride, s.skipped = nil, 1, 0
	}
	s.source, s.destination, s.sent, s.began, s.limit = p.Source, p.Destination, p.LinkSent, time.Now(), 0
	_ = json.Unmarshal(p.Facts.Parameters[string(qapi.ParamMaxBandwidth)], &s.limit) // 0 where none was set
}

// wait samples until the function that it returns is called.
func (s *sampler) wait() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source == nil {
		return func() {}
	}
	if s.waiting++; s.waiting == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		s.stop = cancel
		s.ended.Go(func() { s.ask(ctx) })
	}
	return s.waited
}

func (s *sampler) waited() {
	s.mu.Lock()
	if s.waiting--; s.waiting == 0 {
		s.stop()
	}
	s.mu.Unlock()
}

func (s *sampler) ask(ctx context.Context) {
	for {
		s.mu.Lock()
		source := s.source
		s.mu.Unlock()
		info, err := qapi.QueryMigrate(ctx, source.QMP())
		if err != nil {
			return // it has ended, or the wait has
		}
		now := time.Now()
		s.keep(now, info)
		s.mu.Lock()
		between := min(max(now.Sub(s.began)/sampleShare, sampleSoonest), sampleLatest)
		s.mu.Unlock()
		select {
		case <-time.After(between):
		case <-ctx.Done():
			return
		}
	}
}

func (s *sampler) keep(at time.Time, info qapi.MigrationInfo) {
	if info.Status == "" || info.Status == qapi.MigrationNone {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sample := record.Sample{Time: at, Status: string(info.Status), Limit: s.limit}
	if r := info.RAM; r != nil {
		sample.Bytes, sample.Remaining, sample.DirtyRate, sample.Mbps, sample.Passes = r.Transferred, r.Remaining, r.DirtyPagesRate, r.MBPS, r.DirtySyncCount
	}
	if info.CPUThrottle != nil {
		sample.Throttle = *info.CPUThrottle
	}
	sample.DowntimeMS = s.downtime(at)
	if s.sent != nil {
		n := s.sent()
		sample.OnLink = &n
	}
	if s.skipped++; s.skipped >= s.stride {
		s.skipped = 0
		s.samples = append(s.samples, sample)
	}
	if len(s.samples) > record.MaxSamples {
		for i := range record.MaxSamples / 2 {
			s.samples[i] = s.samples[2*i]
		}
		s.samples, s.stride = s.samples[:record.MaxSamples/2], 2*s.stride
	}
	if s.watch != nil {
		s.watch(sample)
	}
}

// downtime is how long the guest has been paused, in milliseconds.
func (s *sampler) downtime(now time.Time) float64 {
	stop := eventSince(s.source, "STOP", s.began)
	if stop.IsZero() {
		return 0
	}
	if resume := eventSince(s.destination, "RESUME", stop); !resume.IsZero() {
		now = resume
	}
	return float64(now.Sub(stop).Microseconds()) / 1000
}

// eventSince is when a side had an event of that name since then; the zero time where it had
// none.
func eventSince(s *Side, name string, since time.Time) (at time.Time) {
	if s == nil || s.VM == nil {
		return at
	}
	events, _ := s.Events(context.Background())
	for _, e := range events {
		if e.Name == name && !e.Time.Before(since) {
			return e.Time
		}
	}
	return at
}

// take ends the sampling of a migration, and returns what there is.
func (s *sampler) take() []record.Sample {
	s.mu.Lock()
	if s.stop != nil {
		s.stop()
	}
	s.mu.Unlock()
	s.ended.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.samples
	s.source, s.destination, s.samples, s.stride, s.waiting = nil, nil, nil, 0, 0
	return taken
}

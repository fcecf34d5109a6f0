package migration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

func postcopy() []Scenario {
	return []Scenario{postcopyPlain, postcopyMultifd}
}

var postcopyPlain = Scenario{
	Name:  "postcopy/plain",
	Doc:   "one pass over a slow link, then the guest runs on the destination before its RAM is there",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Story: Steps{
		Enable(PostcopyRAM), EnableOnDestination(PostcopyBlocktime),
		Set(MaxBandwidth, 300*MB), Set(DowntimeLimit, time.Millisecond),
		Boot(), Listen(Unix), Migrate(), AwaitPass(1),
		StartPostcopy(), AwaitSwitchover(), SeeBlocktime(),
	},
}

var postcopyMultifd = Scenario{
	Name: "postcopy/multifd/plain",
	Doc:  "four channels carry the pages until the guest runs on the destination, and one the rest",
	Needs: []Need{
		Userfaultfd,
		{Capability: PostcopyRAM},
		{Capability: Multifd},
		{Gone: 10, What: "it takes both capabilities, and a destination with both is killed by SIGABRT"},
	},
	Story: slices.Concat(Steps{EnableTogether(PostcopyRAM, Multifd), SetOnBoth(MultifdChannels, multifdChannels)}, Steps{
		Set(MaxBandwidth, 300*MB), unhurried(),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitPass(1),
		StartPostcopy(), AwaitSwitchover(), SeePostcopy(), SeeChannelsThenOne(),
	}),
}

// EnableTogether is Enable for capabilities that not every QEMU takes together, which
// its schema does not tell.
func EnableTogether(capabilities ...Capability) Step {
	return Step{Name: fmt.Sprintf("enable %v together", capabilities), Do: func(ctx context.Context, p *Pair) error {
		return p.OnBoth(ctx, func(ctx context.Context, s *Side) error {
			for _, c := range capabilities {
				err := s.turn(ctx, c, true)
				if said, ok := errors.AsType[*qmp.Error](err); ok {
					return &MissingError{fmt.Sprintf("QEMU %s refuses: %s", s.Facts.Version, said.Desc)}
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}}
}

// SeeChannelsThenOne gathers that pages went over channels of their own, and as many
// again over the main one.
func SeeChannelsThenOne() Step {
	return Step{Name: "see what went over which connection", Do: func(ctx context.Context, p *Pair) error {
		if err := p.drain(ctx); err != nil {
			return err
		}
		p.measure("connections", float64(len(p.Facts.Link.Connections)), "connections", record.Exactly(1+multifdChannels))
		main, least := 0.0, math.Inf(1)
		for _, c := range p.Facts.Link.Connections {
			if bytes.HasPrefix(c.First, []byte(streamMagic)) {
				main += float64(c.Forward)
			} else {
				least = min(least, float64(c.Forward))
			}
		}
		p.measure("sent over the least used channel", least, "bytes", record.AtLeast(1*MB))
		p.measure("sent over the main channel", main, "bytes", record.AtLeast(10*MB))
		return nil
	}}
}

// SeeBlocktime gathers for how long the destination's processors waited for pages, where the kernel can tell it which thread waited.
func SeeBlocktime() Step {
	return Step{Name: "see postcopy-blocktime", Do: func(_ context.Context, p *Pair) error {
		if features, err := host.Userfaultfd(); err != nil || !features.ThreadID {
			return err
		}
		var said struct {
			Blocktime *uint64 `json:"postcopy-blocktime"`
		}
		if err := json.Unmarshal(p.Facts.Migration.Destination, &said); err != nil {
			return err
		}
		if said.Blocktime == nil {
			return errors.New("the destination's query-migrate has no postcopy-blocktime, and the kernel has the thread-id feature")
		}
		p.measure("postcopy-blocktime", float64(*said.Blocktime), "ms", record.Between(1, float64(p.Facts.Migration.TotalMS)))
		return nil
	}}
}

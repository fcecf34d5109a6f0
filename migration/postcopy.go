package migration

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/drover-vm/drover/host"
)

func postcopy() []Scenario {
	return []Scenario{postcopyPlain}
}

var postcopyPlain = Scenario{
	Name:  "postcopy/plain",
	Doc:   "one pass over a slow link, then the guest runs on the destination before its RAM is there",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Story: Steps{
		Enable(PostcopyRAM), EnableOnDestination(PostcopyBlocktime),
		Set(MaxBandwidth, 100*MB), Set(DowntimeLimit, time.Millisecond),
		Boot(), Listen(Unix), Migrate(), AwaitPass(1),
		StartPostcopy(), AwaitSwitchover(), SeeBlocktime(),
	},
}

// SeeBlocktime demands that the destination says for how long its processors
// waited for pages, where the kernel can tell it which thread waited.
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
		return nil
	}}
}

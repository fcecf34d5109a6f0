package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

func multifdVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect channels", Args: "NUMBER page-bytes BOUNDS",
			Doc:     "Pages went over so many multifd channels beside the main one, each of which carried its part, and how many bytes each page that isn't zero took on them: 4096 and the headers, less where they compress; a tap counts them, and the connections are one more.",
			Example: "expect channels 4 page-bytes 4096..4505",
			Step: func(a *migration.Args) migration.Step {
				channels := a.Int("the number of channels")
				if channels == 0 {
					a.Fail("there is at least 1 channel")
				}
				if !a.Option("page-bytes") {
					a.Fail("page-bytes is missing")
				}
				return ExpectChannels(channels, a.Bounds())
			},
		},
		{
			Name: "expect zero-pages", Args: "BOUNDS", Doc: "How many zero pages the source counted.", Example: "expect zero-pages >= 10000",
			Step: func(a *migration.Args) migration.Step { return ExpectZeroPages(a.Bounds()) },
		},
		{
			Name: "expect main-channel", Args: "BOUNDS", Doc: "How many bytes have gone over the main channel so far; where there is a least, within 5 s.", Example: "expect main-channel <= 40kB",
			Step: func(a *migration.Args) migration.Step { return ExpectMainChannel(a.Bounds()) },
		},
		{
			Name: "expect sent", Args: "BOUNDS", Doc: "How many bytes the source counts as sent.", Example: "expect sent <= 15MB",
			Step: func(a *migration.Args) migration.Step { return ExpectSent(a.Bounds()) },
		},
	}
}

// Multifd prepares both sides for pages on so many channels of their own.
func Multifd(channels int) migration.Steps {
	return migration.Steps{
		Enable(qapi.CapMultifd),
		setOn(migration.BothName, qapi.ParamMultifdChannels, json.RawMessage(strconv.Itoa(channels))),
	}
}

// leastShare is how much of what they carry in all the least used channel carries at
// least, as a part of its fair share: channels alternate, and what marks only the end of
// a pass is far less.
const leastShare = 0.1

// ExpectChannels gathers over how many connections the pages went, the main channel's
// being one more, and how many bytes each page took.
func ExpectChannels(channels int, page record.Bounds) migration.Step {
	expect := onDrainedLink(fmt.Sprintf("expect channels %d page-bytes %s", channels, page), func(ctx context.Context, p *migration.Pair, _ *Relay) error {
		info, err := migrationInfo(p)
		if err != nil {
			return err
		}
		all := p.Facts.Link.Connections
		p.Measure("connections", float64(len(all)), "connections", record.Exactly(float64(1+channels)))
		sent, sum := []float64{}, 0.0
		for _, c := range all {
			if !isMainChannel(c.First) {
				sent, sum = append(sent, float64(c.Forward)), sum+float64(c.Forward)
			}
		}
		if len(sent) == 0 || info.RAM.Normal == 0 {
			return fmt.Errorf("no pages went over channels of their own: %d connections, %d pages", len(all), info.RAM.Normal)
		}
		// A thread may get no CPU while the others send all.
		p.Measure("sent over the least used channel", slices.Min(sent), "bytes", record.AtLeast(sum/float64(channels)*leastShare).IfOnTime())
		p.Measure("sent over the channels for each page that isn't zero", sum/float64(info.RAM.Normal), "bytes", page)
		return nil
	})
	expect.Wants = append(expect.Wants, "await switchover")
	return expect
}

// isMainChannel reports whether a connection carried the stream itself. What goes over the
// others begins otherwise.
func isMainChannel(first []byte) bool {
	return bytes.HasPrefix(first, []byte(streamMagic))
}

// ExpectZeroPages gathers how many zero pages the source counted.
func ExpectZeroPages(bounds record.Bounds) migration.Step {
	return onMigration("expect zero-pages "+bounds.String(), func(_ context.Context, p *migration.Pair) error {
		info, err := migrationInfo(p)
		if err != nil {
			return err
		}
		p.Measure("zero pages found", float64(info.RAM.Duplicate), "pages", bounds)
		return nil
	})
}

// underWay is how long what QEMU has sent may take to the relay, on the busiest host.
const underWay = 5 * time.Second

// ExpectMainChannel gathers how much has gone over the main channel so far; what is demanded at
// least may still be under way. Before the switchover that is pages and what introduces them,
// and after it the devices' state too.
func ExpectMainChannel(bounds record.Bounds) migration.Step {
	return onLink("expect main-channel "+bounds.String(), func(ctx context.Context, p *migration.Pair, r *Relay) error {
		sent := 0.0
		err := p.PollAtMost(ctx, underWay, "it to be sent", func() (bool, error) {
			sent = sentOverMain(r)
			return bounds.Min == nil || sent >= *bounds.Min, nil
		})
		if err != nil {
			return err
		}
		p.Measure("sent over the main channel", sent, "bytes", bounds)
		return nil
	})
}

// sentOverMain is how many bytes have gone over the main channel.
func sentOverMain(r *Relay) (bytes float64) {
	for _, l := range r.connections() {
		if isMainChannel(l.Forward.First()) {
			bytes += float64(l.Forward.Bytes())
		}
	}
	return bytes
}

// ExpectSent gathers how many bytes the source counts as sent.
func ExpectSent(bounds record.Bounds) migration.Step {
	return onMigration("expect sent "+bounds.String(), func(_ context.Context, p *migration.Pair) error {
		if p.Facts.Migration == nil {
			return errors.Join(errNoMigration)
		}
		p.Measure("sent by the source", float64(p.Facts.Migration.Bytes), "bytes", bounds)
		return nil
	})
}

package migration

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/migration/record"
)

func multifd() []Scenario {
	return slices.Concat(
		[]Scenario{multifdTCPURI, multifdTCPChannels, multifdTCPCancel},
		compressed(),
		[]Scenario{multifdTCPZlibLevel, multifdTCPZeroPageMultifd, multifdTCPZeroPageLegacy, multifdTCPZeroPageNone},
	)
}

// multifdChannels is how many channels carry pages, beside the main one.
const multifdChannels = 4

// WithMultifd prepares both sides for pages on channels of their own.
func WithMultifd(more ...Step) Steps {
	return append(Steps{Enable(Multifd), SetOnBoth(MultifdChannels, multifdChannels)}, more...)
}

// liveOverTap moves a busy guest, and sees what went over the link meanwhile.
func liveOverTap(over Transport) Steps {
	return Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(over), Tap(), Migrate(), AwaitPass(1),
		atAnyDowntime(), AwaitSwitchover(),
	}
}

// compressedOverTap is the same for pages that shrink. QEMU reckons the downtime as
// if what is left had to be sent whole at the few bytes a second that there were,
// hence the limit.
func compressedOverTap(with string, page record.Bounds) Steps {
	return Steps{
		SetOnBoth(MultifdCompression, with), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitSwitchover(), SeeChannels(page),
	}
}

var multifdTCPURI = Scenario{
	Name:  "multifd/tcp/uri/plain/none",
	Doc:   "pages go over four channels, whole",
	Needs: []Need{{Capability: Multifd}},
	Story: slices.Concat(WithMultifd(), liveOverTap(TCP), Steps{SeeChannels(wholePages)}),
}

var multifdTCPChannels = Scenario{
	Name:  "multifd/tcp/channels/plain/none",
	Doc:   "the same, where both sides are told the address as a channel",
	Needs: []Need{{Capability: Multifd}, ChannelsArgument},
	Story: slices.Concat(WithMultifd(), liveOverTap(TCPChannels), Steps{SeeChannels(wholePages)}),
}

var multifdTCPCancel = Scenario{
	Name:  "multifd/tcp/plain/cancel",
	Doc:   "given up while pages go over four channels; then the guest moves over four others",
	Needs: []Need{{Capability: Multifd}},
	Story: slices.Concat(
		WithMultifd(unhurried(), Set(MaxBandwidth, 30*MB)),
		Steps{Boot()}, givenUp(),
		WithMultifd(Set(MaxBandwidth, 1*GB), atAnyDowntime(), Listen(TCP), Tap(), Migrate()),
		Steps{AwaitSwitchover(), SeeChannels(wholePages)},
	),
}

// compressed are a scenario for each compressor that any version knows. Distributions'
// builds have the first two; the others need hardware, or a library of its maker's.
func compressed() []Scenario {
	var all []Scenario
	for _, with := range []string{"zlib", "zstd", "qatzip", "qpl", "uadk"} {
		all = append(all, Scenario{
			Name:  "multifd/tcp/plain/" + with,
			Doc:   "pages go over four channels, compressed with " + with,
			Needs: []Need{{Capability: Multifd}, compressor(with)},
			Story: slices.Concat(WithMultifd(), compressedOverTap(with, compressedPages)),
		})
	}
	return all
}

// MultifdZlibLevel is how hard zlib tries, from 0, where it makes nothing smaller, to 9.
const MultifdZlibLevel Parameter = "multifd-zlib-level"

var multifdTCPZlibLevel = Scenario{
	Name:  "multifd/tcp/plain/zlib/level",
	Doc:   "the same with zlib told to make nothing smaller",
	Needs: []Need{{Capability: Multifd}, compressor("zlib"), {Gone: 10, What: "it takes multifd-zlib-level, and drops it"}},
	Story: slices.Concat(WithMultifd(Set(MultifdZlibLevel, 0)), compressedOverTap("zlib", wholePages)),
}

var multifdTCPZeroPageMultifd = Scenario{
	Name:  "multifd/tcp/plain/zero-page/multifd",
	Doc:   "zero pages are found by the channels' threads, and named on their channels",
	Needs: []Need{{Capability: Multifd}, ZeroPageDetection},
	Story: slices.Concat(WithMultifd(SetOnBoth(ZeroPages, "multifd")), liveOverTap(TCP),
		Steps{SeeChannels(wholePages), SeeZeroPages(record.AtLeast(10000)), SeeMainChannel(record.AtMost(mainWithout))}),
}

// What goes over the main channel is about 115 kB for a PC's devices, and 9 bytes for each
// of 13,000 zero pages where they are named there.
const mainWithout, mainWith = 160_000, 190_000

var multifdTCPZeroPageLegacy = Scenario{
	Name:  "multifd/tcp/plain/zero-page/legacy",
	Doc:   "zero pages are found by the migration thread, and named on the main channel",
	Needs: []Need{{Capability: Multifd}, ZeroPageDetection},
	Story: slices.Concat(WithMultifd(SetOnBoth(ZeroPages, "legacy")), liveOverTap(TCP),
		Steps{SeeChannels(wholePages), SeeZeroPages(record.AtLeast(10000)), SeeMainChannel(record.AtLeast(mainWith))}),
}

var multifdTCPZeroPageNone = Scenario{
	Name:  "multifd/tcp/plain/zero-page/none",
	Doc:   "nobody looks for zero pages: they are sent as any other",
	Needs: []Need{{Capability: Multifd}, ZeroPageDetection},
	Story: slices.Concat(WithMultifd(SetOnBoth(ZeroPages, "none")), liveOverTap(TCP),
		Steps{SeeChannels(wholePages), SeeZeroPages(record.Exactly(0))}),
}

func compressor(name string) Need {
	return Need{Schema: "migrate-set-parameters multifd-compression " + name, What: "compression of channels with " + name}
}

// ZeroPageDetection is the choice of who looks for zero pages.
var ZeroPageDetection = Need{Schema: "migrate-set-parameters zero-page-detection legacy", What: "parameter zero-page-detection"}

// What a page may take on the link. One of the workload's compresses to a few
// dozen bytes; what is more stands in packets' headers.
var (
	wholePages      = record.Between(4096, 4096*1.1)
	compressedPages = record.Between(1, 512)
)

// SeeChannels gathers over how many connections the pages went, and what each
// page took.
func SeeChannels(page record.Bounds) Step {
	return Step{Name: "see what went over the channels", Do: func(ctx context.Context, p *Pair) error {
		if err := p.drain(ctx); err != nil {
			return err
		}
		info, err := p.migrationInfo()
		if err != nil {
			return err
		}
		p.measure("connections", float64(len(p.Facts.Link.Connections)), "connections", record.Exactly(1+multifdChannels))
		sent, sum := []float64{}, 0.0
		for _, c := range p.Facts.Link.Connections {
			if !bytes.HasPrefix(c.First, []byte(streamMagic)) {
				sent, sum = append(sent, float64(c.Forward)), sum+float64(c.Forward)
			}
		}
		if len(sent) == 0 || info.RAM.Normal == 0 {
			return fmt.Errorf("no pages went over channels of their own: %d connections, %d pages", len(p.Facts.Link.Connections), info.RAM.Normal)
		}
		// Channels take turns. What says only where a pass ends is far less.
		p.measure("sent over the least used channel", slices.Min(sent), "bytes", record.AtLeast(sum/multifdChannels/10))
		p.measure("sent over the channels for each page that isn't zero", sum/float64(info.RAM.Normal), "bytes", page)
		return nil
	}}
}

// SeeZeroPages gathers how many pages were found to be zero.
func SeeZeroPages(bounds record.Bounds) Step {
	return Step{Name: "see how many zero pages were found", Do: func(_ context.Context, p *Pair) error {
		info, err := p.migrationInfo()
		if err != nil {
			return err
		}
		p.measure("zero pages found", float64(info.RAM.Duplicate), "pages", bounds)
		return nil
	}}
}

// SeeMainChannel gathers how much went over the main channel.
func SeeMainChannel(bounds record.Bounds) Step {
	return Step{Name: "see what went over the main channel", Do: func(_ context.Context, p *Pair) error {
		sum := int64(0)
		for _, c := range p.Facts.Link.Connections {
			if bytes.HasPrefix(c.First, []byte(streamMagic)) {
				sum += c.Forward
			}
		}
		p.measure("sent over the main channel", float64(sum), "bytes", bounds)
		return nil
	}}
}

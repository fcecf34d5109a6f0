package migration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

func cpr() []Scenario { return []Scenario{modeReboot, modeTransfer, modeTransferDefer} }

// Mode is how the guest's RAM gets to the destination: in the stream, or in place.
const Mode Parameter = "mode"

// migrationMode is one that QEMU doesn't name a capability for.
func migrationMode(name string) Need {
	return Need{Schema: "migrate-set-parameters mode " + name, What: "migration mode " + name}
}

var modeReboot = Scenario{
	Name:      "mode/reboot",
	Doc:       "the guest stops at once, its RAM stays in a file in memory, and the rest goes through a file",
	Needs:     []Need{migrationMode("cpr-reboot"), {Capability: IgnoreShared}, FileTransport},
	SharedRAM: true,
	Story: Steps{
		SetOnBoth(Mode, "cpr-reboot"), Enable(IgnoreShared), Set(MaxBandwidth, 1*GB),
		Boot(), RememberMemory(), MigrateIntoFile(0), AwaitSaved(), SeeStopComeFirst(), SeeFileSize(record.Between(1, 15*MB)),
		LoadFile(), AwaitSwitchover(), SeeSameRAM(), SeeMemoryKept(),
	},
}

var modeTransfer = Scenario{
	Name:     "mode/transfer",
	Doc:      "the source hands its RAM to a destination that is being started, and the rest over a socket",
	Needs:    []Need{migrationMode("cpr-transfer")},
	HandOver: true,
	Story: Steps{
		Set(Mode, "cpr-transfer"), Boot(), RememberMemory(),
		StartDestination(atOnce), HoldTap(), HandOver(), AwaitDestination(),
		OpenTap(), AwaitSwitchover(), SeeStopComeFirst(), SeeSentOverTap(record.Between(1000, 15*MB)), SeeSameRAM(), SeeMemoryKept(),
	},
}

var modeTransferDefer = Scenario{
	Name:     "mode/transfer/defer",
	Doc:      "the same where the destination is told where to listen once it has the RAM",
	Needs:    []Need{migrationMode("cpr-transfer")},
	HandOver: true,
	Story: Steps{
		Set(Mode, "cpr-transfer"), Boot(), RememberMemory(),
		StartDestination(deferred), HoldTap(), HandOver(), AwaitDestination(),
		ListenBehindTap(), OpenTap(), AwaitSwitchover(), SeeStopComeFirst(), SeeSentOverTap(record.Between(1000, 15*MB)), SeeSameRAM(), SeeMemoryKept(),
	},
}

// HoldTap makes a tap that takes connections and passes nothing on yet, so that the
// story decides when the stream comes.
func HoldTap() Step {
	return Step{Name: "tap the link, and hold it", Do: func(_ context.Context, p *Pair) error {
		l, err := net.Listen("unix", p.path("tap.sock"))
		if err != nil {
			return err
		}
		p.tap = &tap{listener: l, to: address{"unix", p.path(streamSocket)}}
		p.uri = "unix:" + l.Addr().String()
		return nil
	}}
}

// OpenTap lets the stream through.
func OpenTap() Step {
	return Step{Name: "let the stream through", Do: func(_ context.Context, p *Pair) error {
		p.tap.work.Go(p.tap.accept)
		return nil
	}}
}

// ListenBehindTap tells the destination where the tap passes the stream on to.
func ListenBehindTap() Step {
	return Step{Name: "listen behind the tap", Do: func(ctx context.Context, p *Pair) error {
		return p.listen(ctx, "unix:"+p.path(streamSocket))
	}}
}

// HandOver begins to migrate, with a channel for the files that are handed over.
func HandOver() Step {
	return Step{Name: "migrate, and hand the RAM over", Do: func(ctx context.Context, p *Pair) error {
		stream := qapi.UnixChannel(strings.TrimPrefix(p.uri, "unix:"))
		return p.migrateTo(ctx, qapi.MigrateArguments{Channels: []qapi.MigrationChannel{stream, p.handover()}})
	}}
}

// SeeStopComeFirst demands that the guest stopped before anything was sent, as a mode
// does that leaves RAM where it is.
func SeeStopComeFirst() Step {
	return Step{Name: "see that the guest stopped first", Do: func(ctx context.Context, p *Pair) error {
		events, _ := p.Source.events(ctx)
		began := p.Source.Facts.Began
		for _, e := range events {
			if e.Time.Before(began) {
				continue
			}
			if e.Name == "STOP" {
				return nil
			}
			if statusOf(qmp.Event{Name: e.Name, Data: e.Data}) == qapi.MigrationActive {
				return errors.New("the source's migration was active before its guest had stopped")
			}
		}
		return errors.New("the source's guest never stopped")
	}}
}

// SeeFileSize gathers how large the file is.
func SeeFileSize(bounds record.Bounds) Step {
	return Step{Name: "see the size of the file", Do: func(_ context.Context, p *Pair) error {
		info, err := os.Stat(p.path(streamFile))
		if err == nil {
			p.measure("size of the file", float64(info.Size()), "bytes", bounds)
		}
		return err
	}}
}

// SeeSentOverTap gathers how much went over the link.
func SeeSentOverTap(bounds record.Bounds) Step {
	return Step{Name: "see what went over the link", Do: func(ctx context.Context, p *Pair) error {
		if err := p.drain(ctx); err != nil {
			return err
		}
		p.measure("sent over the link", float64(p.tap.sent()), "bytes", bounds)
		return nil
	}}
}

// SeeSameRAM demands that both QEMUs have the same file mapped as the guest's RAM.
func SeeSameRAM() Step {
	return Step{Name: "see that both have the same RAM", Do: func(_ context.Context, p *Pair) error {
		source, err := p.ramFiles(p.Source)
		if err != nil {
			return err
		}
		destination, err := p.ramFiles(p.Destination)
		if err == nil && (len(source) != 1 || !slices.Equal(source, destination)) {
			err = fmt.Errorf("the source's RAM is the files (device and inode) %v, and the destination's %v, where one and the same was expected", source, destination)
		}
		return err
	}}
}

// ramFiles are the files, by device and inode, that a QEMU has mapped in a piece as
// large as the guest's RAM, for others to see (proc(5), /proc/PID/maps).
func (p *Pair) ramFiles(s *Side) (files []string, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", s.PID()))
	for line := range strings.Lines(string(maps)) {
		var from, to, offset, inode uint64
		var access, device string
		if _, err := fmt.Sscanf(line, "%x-%x %s %x %s %d", &from, &to, &access, &offset, &device, &inode); err != nil {
			return nil, fmt.Errorf("/proc/%d/maps: %q: %w", s.PID(), line, err)
		}
		if to-from == uint64(p.Program.MemoryMiB)<<20 && inode != 0 && strings.HasSuffix(access, "s") {
			files = append(files, fmt.Sprintf("%s %d", device, inode))
		}
	}
	return files, err
}

package migration

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

func precopy() []Scenario {
	return []Scenario{precopyUnixPlain, precopyUnixXBZRLE, precopyTCPPlain, precopySwitchoverAck, precopyFDTCP, precopyFDFile, precopyExec}
}

// unhurried lets a live guest dirty its RAM faster than what is left of it can
// be sent within the downtime limit, so no pass is the last.
func unhurried() Step { return Set(DowntimeLimit, time.Millisecond) }

// letConverge gives a migration enough downtime to end with.
func letConverge() Step { return Set(DowntimeLimit, 300*time.Millisecond) }

// atAnyDowntime lets a migration switch over after the pass that it is in, in stories
// that are not about how long the guest stands: on a busy machine it may be long.
func atAnyDowntime() Step { return Set(DowntimeLimit, time.Minute) }

var precopyUnixPlain = Scenario{
	Name: "precopy/unix/plain",
	Doc:  "one full pass under a downtime limit that it can't meet, then room to converge",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitPass(1),
		letConverge(), AwaitSwitchover().Allow(3 * StepPatience / 2),
	},
}

var precopyUnixXBZRLE = Scenario{
	Name:  "precopy/unix/xbzrle",
	Doc:   "pages that are sent again are sent as what has changed in them",
	Needs: []Need{{Capability: XBZRLE}},
	Story: Steps{
		// Room for the whole of RAM: what is not in the cache is sent in full.
		Enable(XBZRLE), Set(XBZRLECacheSize, 256<<20),
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitPass(2), AwaitDifferences(1000),
		// QEMU reckons the downtime from the few bytes a second that differences
		// are, as if what is left had to be sent in full.
		atAnyDowntime(), AwaitSwitchover(), SeeXBZRLE(1000),
	},
}

var precopyTCPPlain = Scenario{
	Name: "precopy/tcp/plain",
	Doc:  "over TCP, to the port that the destination says it listens on",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(TCP), Migrate(), AwaitPass(1),
		atAnyDowntime(), AwaitSwitchover(),
	},
}

// SwitchoverAck makes the source wait until the destination says that it may switch over.
const SwitchoverAck Capability = "switchover-ack"

var precopySwitchoverAck = Scenario{
	Name:  "precopy/tcp/plain/switchover-ack",
	Doc:   "the destination's word that the source may switch over is held up: no pass is the last until it comes",
	Needs: []Need{{Capability: ReturnPath}, {Capability: SwitchoverAck}},
	// Since 11.1 only devices are waited for that ask for it, and there are none here.
	Globals: []Global{{"migration", "switchover-ack-legacy", "on"}},
	Story: Steps{
		Enable(ReturnPath), Enable(SwitchoverAck), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(TCP), Tap(), holdAnswers(1), Migrate(),
		AwaitPass(2).Despite("the destination's word that the source may switch over has been held up"),
		ReleaseLink(), AwaitSwitchover(), SeeSwitchoverAck(),
	},
}

var precopyFDTCP = Scenario{
	Name: "precopy/fd/tcp",
	Doc:  "over a connection that both sides are given, and close when it has served",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(FDTCP), Migrate(), AwaitPass(1),
		atAnyDowntime(), AwaitSwitchover(), SeeDescriptorsGone(),
	},
}

var precopyFDFile = Scenario{
	Name: "precopy/fd/file",
	Doc:  "into a file that the source is given, and out of it when all is there",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), MigrateIntoLentFile(), AwaitPass(1),
		atAnyDowntime(), AwaitSaved(),
		LoadLentFile(), AwaitSwitchover(), SeeDescriptorsGone(),
	},
}

var precopyExec = Scenario{
	Name: "precopy/exec",
	Doc:  "through a program on each side and a pipe between them",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Exec), Migrate(), AwaitPass(1),
		atAnyDowntime(), AwaitSwitchover(),
	},
}

// switchoverAck is the destination's word that the source may switch over: the number of
// MIG_RP_MSG_SWITCHOVER_ACK, and that it carries nothing (migration/migration.h in QEMU).
var switchoverAck = []byte{0, 7, 0, 0}

// SeeSwitchoverAck demands that it went over the link, before anything else.
func SeeSwitchoverAck() Step {
	return Step{Name: "see the destination's word", Do: func(_ context.Context, p *Pair) error {
		if said := p.tap.link(1).Back.First(); !bytes.HasPrefix(said, switchoverAck) {
			return fmt.Errorf("the destination's first word was % x, expected % x, which lets the source switch over", said, switchoverAck)
		}
		return nil
	}}
}

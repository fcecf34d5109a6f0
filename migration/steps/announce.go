package steps

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// A destination tells the network where its guest is now, by RARP packets of each NIC, and may
// ask the guest to.
func announceVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "dump network", Args: "[NETDEV]",
			Doc:     "Has the destination write down what goes through its netdev of that id, or \"net\" (filter-dump).",
			Example: "dump network guest-net",
			Step: func(a *migration.Args) migration.Step {
				if !a.More() {
					return DumpNetwork("net")
				}
				return DumpNetwork(a.Word("the netdev's id"))
			},
		},
		{
			Name: "expect announcements", Args: "TIME...",
			Doc:     "The destination has announced its guest with such times between, and no more, which is what announce-rounds, announce-initial, announce-step and announce-max come to.",
			Example: "expect announcements 50ms 150ms 250ms 350ms",
			Step: func(a *migration.Args) migration.Step {
				delays := []time.Duration{a.Duration("the time between two")}
				for a.More() {
					delays = append(delays, a.Duration("the time between two"))
				}
				return ExpectAnnouncements(delays...)
			},
		},
		{
			Name: "expect no-announcements", Args: "for TIME",
			Doc:     "The destination announces its guest by no packet, from when it runs for so long.",
			Example: "expect no-announcements for 100ms",
			Step: func(a *migration.Args) migration.Step {
				if !a.Option("for") {
					a.Fail("for how long is missing: for 100ms")
				}
				return ExpectNoAnnouncements(a.Duration("for how long"))
			},
		},
		{
			Name:    "expect guest-announcement",
			Doc:     "The guest itself has told its network where it is now, by a gratuitous ARP packet, as virtio-net asks it to: it knows of addresses and VLANs that QEMU doesn't.",
			Example: "expect guest-announcement", Step: do(ExpectGuestAnnouncement),
		},
	}
}

// dumpFile is where the destination writes its packets, as pcap.
const dumpFile = "net.pcap"

// DumpNetwork has the destination write down what goes through one of its netdevs.
func DumpNetwork(netdev string) migration.Step {
	return onDestination("dump network "+netdev, func(ctx context.Context, p *migration.Pair) error {
		return addObject(ctx, p.Destination, "filter-dump,id=dump,netdev="+escaped(netdev)+",file="+escaped(p.Path(dumpFile)))
	})
}

// closeDump lets go of the file, which is open as long as the filter is there.
func closeDump(ctx context.Context, p *migration.Pair) error {
	output, err := qapi.HumanMonitor(ctx, p.Destination.QMP(), "object_del dump")
	if err == nil && output != "" {
		err = fmt.Errorf("object_del of the filter: %s", output)
	}
	return err
}

// An announcement may be late by so much beside others, and earlier than a late one before it.
const (
	announceLate  = 60 * time.Millisecond
	announceEarly = 15 * time.Millisecond
)

// ExpectAnnouncements gathers how often the destination has announced its guest, and how long
// it waited between, which is to be so long: each time is a step longer than the one before, up
// to the longest (net/announce.c in QEMU). There is one at least.
func ExpectAnnouncements(delays ...time.Duration) migration.Step {
	expect := onDestination(fmt.Sprintf("expect announcements %v", delays), func(ctx context.Context, p *migration.Pair) error {
		total := time.Duration(0)
		for _, d := range delays {
			total += d
		}
		// Twice the longest after the last has to have come, to see that there are no more.
		quiet := 2 * delays[len(delays)-1]
		var times []time.Duration
		changed := time.Now()
		err := p.PollAtMost(ctx, total+quiet+migration.LifeTimeout, "the destination's announcements", func() (bool, error) {
			packets, err := dumped(p.Path(dumpFile))
			now := announcements(packets)
			if len(now) != len(times) {
				changed = time.Now()
			}
			times = now
			return len(times) > len(delays) && time.Since(changed) >= quiet, err
		})
		if err != nil {
			return err
		}
		p.Measure("announcements of the destination", float64(len(times)), "packets", record.Exactly(float64(len(delays)+1)))
		for i, d := range delays {
			if i+1 < len(times) {
				gap := times[i+1] - times[i]
				p.Measure(fmt.Sprintf("time between announcements %d and %d", i+1, i+2), float64(gap.Milliseconds()), "ms",
					record.Between(float64((d-announceEarly).Milliseconds()), float64((d+announceLate).Milliseconds())))
			}
		}
		return closeDump(ctx, p)
	}).WithTimeout(2 * migration.StepTimeout)
	expect.Wants = []string{"dump network", awaitSwitchover}
	return expect
}

// ExpectNoAnnouncements gathers what the destination announces of its guest in that time, which
// is to be nothing. The first announcement would come at once.
func ExpectNoAnnouncements(quiet time.Duration) migration.Step {
	expect := onDestination("expect no-announcements", func(ctx context.Context, p *migration.Pair) error {
		if err := letPass(ctx, quiet); err != nil {
			return err
		}
		if err := closeDump(ctx, p); err != nil {
			return err
		}
		packets, err := dumped(p.Path(dumpFile))
		p.Measure("announcements of the destination", float64(len(announcements(packets))), "packets", record.Exactly(0))
		return err
	}).WithTimeout(quiet + migration.StepTimeout)
	expect.Wants = []string{"dump network", awaitSwitchover}
	return expect
}

// ExpectGuestAnnouncement gathers whether the guest has told the network where it is.
func ExpectGuestAnnouncement() migration.Step {
	expect := onDestination("expect guest-announcement", func(ctx context.Context, p *migration.Pair) error {
		came := 0
		err := p.PollAtMost(ctx, migration.LifeTimeout, "the guest's announcement", func() (bool, error) {
			packets, err := dumped(p.Path(dumpFile))
			came = len(gratuitous(packets))
			return came > 0, err
		})
		if err != nil {
			return err
		}
		p.Measure("gratuitous ARP packets of the guest on the destination", float64(came), "packets", record.AtLeast(1))
		return closeDump(ctx, p)
	})
	expect.Wants = []string{"dump network", awaitSwitchover}
	return expect
}

// announcements are when QEMU's RARP packets were sent.
func announcements(packets []packet) (times []time.Duration) {
	const rarp = 0x8035
	for _, p := range packets {
		if p.is(rarp) {
			times = append(times, p.at)
		}
	}
	return times
}

// gratuitous are the ARP packets that ask for the address of their own sender (RFC 5227, 3).
func gratuitous(packets []packet) (all []packet) {
	const arp, sender, target, end = 0x0806, ethernetHeader + 14, ethernetHeader + 24, ethernetHeader + 28
	for _, p := range packets {
		if p.is(arp) && len(p.data) >= end && bytes.Equal(p.data[sender:sender+4], p.data[target:end]) {
			all = append(all, p)
		}
	}
	return all
}

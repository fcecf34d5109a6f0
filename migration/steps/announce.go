package steps

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// A destination tells the network where its guest is now: by RARP packets of each NIC.
func announceVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "dump network",
			Doc:     "Has the destination write down what its network device with the netdev \"net\" sends (filter-dump).",
			Example: "dump network", Step: do(DumpNetwork),
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
	}
}

// dumpFile is where the destination writes its packets, as pcap.
const dumpFile = "net.pcap"

// DumpNetwork has the destination write down what its network device sends.
func DumpNetwork() migration.Step {
	return onDestination("dump network", func(ctx context.Context, p *migration.Pair) error {
		return addObject(ctx, p.Destination, "filter-dump,id=dump,netdev=net,file="+escaped(p.Path(dumpFile)))
	})
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
		wait, cancel := p.AtMost(ctx, total+quiet+migration.LifeTimeout)
		defer cancel()
		var times []time.Duration
		changed := time.Now()
		waited := migration.Poll(wait, "the destination's announcements", func() (bool, error) {
			now, err := announcements(p.Path(dumpFile))
			if len(now) != len(times) {
				changed = time.Now()
			}
			times = now
			return len(times) > len(delays) && time.Since(changed) >= quiet, err
		})
		if waited != nil && (wait.Err() == nil || ctx.Err() != nil) {
			return waited
		}
		p.Measure("announcements of the destination", float64(len(times)), "packets", record.Exactly(float64(len(delays)+1)))
		for i, d := range delays {
			if i+1 < len(times) {
				gap := times[i+1] - times[i]
				p.Measure(fmt.Sprintf("time between announcements %d and %d", i+1, i+2), float64(gap.Milliseconds()), "ms",
					record.Between(float64((d-announceEarly).Milliseconds()), float64((d+announceLate).Milliseconds())))
			}
		}
		// The file is open as long as the filter is there.
		output, err := qapi.HumanMonitor(ctx, p.Destination.QMP(), "object_del dump")
		if err == nil && output != "" {
			err = fmt.Errorf("object_del of the filter: %s", output)
		}
		return err
	}).WithTimeout(2 * migration.StepTimeout)
	expect.Wants = []string{"dump network", awaitSwitchover}
	return expect
}

// announcements are when the RARP packets in a pcap file were sent.
func announcements(path string) (times []time.Duration, err error) {
	const fileHeader, packetHeader, etherType, rarp = 24, 16, 12, 0x8035
	all, err := os.ReadFile(path)
	if err != nil || len(all) < fileHeader {
		return nil, err
	}
	for all = all[fileHeader:]; len(all) >= packetHeader; {
		length := uint64(binary.LittleEndian.Uint32(all[8:]))
		if uint64(len(all)) < packetHeader+length {
			break // the rest is still to be written
		}
		packet := all[packetHeader : packetHeader+length]
		if len(packet) > etherType+1 && binary.BigEndian.Uint16(packet[etherType:]) == rarp {
			seconds, micros := binary.LittleEndian.Uint32(all), binary.LittleEndian.Uint32(all[4:])
			times = append(times, time.Duration(seconds)*time.Second+time.Duration(micros)*time.Microsecond)
		}
		all = all[packetHeader+length:]
	}
	return times, nil
}

package steps

import (
	"bytes"
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration"
)

// switchoverAck is the destination's acknowledgement that the source may switch over: the
// number of MIG_RP_MSG_SWITCHOVER_ACK, and that it carries nothing (migration/migration.h
// in QEMU).
var switchoverAck = []byte{0, 7, 0, 0}

// ExpectSwitchoverAck demands that it went over the link, before anything else.
func ExpectSwitchoverAck() migration.Step {
	expect := onLink("expect switchover-ack", func(_ context.Context, _ *migration.Pair, r *Relay) error {
		if first := r.connection(1).Back.First(); !bytes.HasPrefix(first, switchoverAck) {
			return fmt.Errorf("the destination's first message was % x, expected % x, which lets the source switch over", first, switchoverAck)
		}
		return nil
	})
	expect.Wants = append(expect.Wants, "enable switchover-ack", "migrate")
	return expect
}

package steps

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qtest"
)

func encryptedVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect encrypted", Args: "CONNECTIONS",
			Doc:     "There were so many connections over the tap, and each began with a TLS handshake.",
			Example: "expect encrypted 5",
			Step:    func(a *migration.Args) migration.Step { return ExpectEncrypted(a.Int("the number of connections")) },
		},
		{
			Name: "expect cleartext", Doc: "No connection over the tap carried anything of TLS: the stream is to be read on each.", Example: "expect cleartext",
			Step: do(ExpectCleartext),
		},
		{
			Name: "expect no-cleartext", Doc: "No connection over the tap carried anything but TLS.", Example: "expect no-cleartext",
			Step: do(ExpectNoCleartext),
		},
		{
			Name: "expect destination-empty", Doc: "Nothing of the guest has arrived on the destination, which waits on or has exited with status 1.",
			Example: "expect destination-empty", Step: do(ExpectDestinationEmpty),
		},
	}
}

// tlsHandshake is what a TLS connection begins with: a handshake record of
// version 3.x (RFC 8446, section 5.1).
const tlsHandshake = "\x16\x03"

// ExpectEncrypted gathers how many connections there were, and that each began with a
// TLS handshake, from its first byte on.
func ExpectEncrypted(connections int) migration.Step {
	return onDrainedLink(fmt.Sprintf("expect encrypted %d", connections), func(ctx context.Context, p *migration.Pair, _ *Relay) error {
		tls := 0
		for _, c := range p.Facts.Link.Connections {
			if bytes.HasPrefix(c.First, []byte(tlsHandshake)) {
				tls++
			}
		}
		p.Measure("connections", float64(len(p.Facts.Link.Connections)), "connections", record.Exactly(float64(connections)))
		p.Measure("connections that begin with a TLS handshake", float64(tls), "connections", record.Exactly(float64(connections)))
		return nil
	})
}

// ExpectCleartext gathers how many connections carried anything of TLS.
func ExpectCleartext() migration.Step {
	return onDrainedLink("expect cleartext", func(ctx context.Context, p *migration.Pair, _ *Relay) error {
		tls := 0
		for _, c := range p.Facts.Link.Connections {
			if bytes.HasPrefix(c.First, []byte(tlsHandshake)) {
				tls++
			}
		}
		p.Measure("connections with TLS", float64(tls), "connections", record.Exactly(0))
		return nil
	})
}

// ExpectNoCleartext gathers how many connections carried anything but TLS.
func ExpectNoCleartext() migration.Step {
	return onDrainedLink("expect no-cleartext", func(ctx context.Context, p *migration.Pair, _ *Relay) error {
		clear := 0
		for _, c := range p.Facts.Link.Connections {
			if c.Forward > 0 && !bytes.HasPrefix(c.First, []byte(tlsHandshake)) {
				clear++
			}
		}
		p.Measure("connections in clear", float64(clear), "connections", record.Exactly(0))
		return nil
	})
}

// ExpectDestinationEmpty demands that nothing of the guest has arrived on a destination
// that should not have taken it. It may go on waiting, or have exited.
func ExpectDestinationEmpty() migration.Step {
	return onMigration("expect destination-empty", func(ctx context.Context, p *migration.Pair) error {
		return each(p, migration.DestinationName, func(d *migration.Side) error {
			// A client that doesn't like the server's certificate says so after the handshake: the
			// destination has then begun, and exits, at any time from now on.
			d.MayEnd()
			value, err := p.Counter(ctx, d)
			_, monitor := errors.AsType[*qmp.ClosedError](err)
			_, qtests := errors.AsType[*qtest.ClosedError](err)
			if monitor || qtests {
				select {
				case <-d.Exited():
				case <-ctx.Done():
					return &migration.HostError{Cause: err}
				}
			}
			if state := d.ExitState(); state != nil {
				if state.ExitCode() != 1 {
					return fmt.Errorf("the destination ended with %s: %s", state, d.Stderr())
				}
				return nil
			}
			if err == nil && value.Value != 0 {
				err = fmt.Errorf("the destination has %d at %#x, which is the guest's", value.Value, value.Address)
			}
			return err
		})
	})
}

package migration

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

// Keys and certificates are made for each run, in its private folder; no secret
// stands on a command line.
func tlsScenarios() []Scenario {
	var all []Scenario
	for _, over := range []Transport{Unix, TCP} {
		all = append(all,
			encrypted("precopy/"+string(over)+"/tls/psk", "encrypted with a key that both sides have", over, UsePSK(false)),
			refusedTLS("precopy/"+string(over)+"/tls/psk/mismatch", "the sides have different keys", over, UsePSK(true)),
			encrypted("precopy/"+string(over)+"/tls/x509/override-host", "the certificate names the host that the source was told to expect", over,
				UseX509(identities{Server: "drover.test", Expect: "drover.test", Client: "friend", Verify: true})),
		)
	}
	return append(all,
		refusedTLS("precopy/unix/tls/x509/default-host", "a path names no host that a certificate could be for", Unix,
			UseX509(identities{Server: "127.0.0.1"})),
		encrypted("precopy/tcp/tls/x509/default-host", "the certificate names the address", TCP,
			UseX509(identities{Server: "127.0.0.1", Client: "friend", Verify: true})),
		refusedTLS("precopy/tcp/tls/x509/mismatch-host", "the certificate names another host", TCP,
			UseX509(identities{Server: "drover.test", Client: "friend", Verify: true})),
		encrypted("precopy/tcp/tls/x509/friendly-client", "the client's name is the one that the destination lets in", TCP,
			UseX509(identities{Server: "127.0.0.1", Client: "friend", Verify: true, Admit: "friend"})),
		refusedTLS("precopy/tcp/tls/x509/hostile-client", "the client's certificate is good, and its name is not let in", TCP,
			UseX509(identities{Server: "127.0.0.1", Client: "stranger", Verify: true, Admit: "friend"})),
		encrypted("precopy/tcp/tls/x509/allow-anon-client", "a client without a certificate, where none is asked for", TCP,
			UseX509(identities{Server: "127.0.0.1"})),
		refusedTLS("precopy/tcp/tls/x509/reject-anon-client", "the client has no certificate, and is asked for one", TCP,
			UseX509(identities{Server: "127.0.0.1", Verify: true})),
		refusedTLS("precopy/tcp/tls/x509/foreign-server", "the destination's certificate is signed by an authority that the source doesn't know", TCP,
			UseX509(identities{Server: "127.0.0.1", ServerIs: foreign}), SeeReason("known issuer")),
		refusedTLS("precopy/tcp/tls/x509/foreign-client", "the source's certificate is signed by an authority that the destination doesn't know", TCP,
			UseX509(identities{Server: "127.0.0.1", Client: "friend", ClientIs: foreign, Verify: true}), SeeWarning("known issuer")),
		refusedTLS("precopy/tcp/tls/x509/expired-server", "the destination's certificate has expired", TCP,
			UseX509(identities{Server: "127.0.0.1", ServerIs: expired}), SeeReason("certificate is not trusted")),
		refusedTLS("precopy/tcp/tls/x509/expired-client", "the source's certificate has expired", TCP,
			UseX509(identities{Server: "127.0.0.1", Client: "friend", ClientIs: expired, Verify: true}), SeeWarning("certificate is not trusted")),
	)
}

// TLS is what a QEMU built without GnuTLS lacks.
var TLS = Need{Schema: "query-migrate-parameters -> tls-creds", What: "TLS"}

func encrypted(name, doc string, over Transport, use Step) Scenario {
	return Scenario{
		Name: name, Doc: doc, Needs: []Need{TLS},
		Story: slices.Concat(Steps{use}, movesEncrypted(over, 1)),
	}
}

// movesEncrypted moves the guest over so many connections. To encrypt takes time, and
// this is not about convergence.
func movesEncrypted(over Transport, connections int) Steps {
	return Steps{
		atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(over), Tap(), Migrate(), AwaitSwitchover(), SeeEncrypted(connections),
	}
}

// refusedTLS is a migration that must not take place, why being the reason; proof
// are steps that see that it was this one.
func refusedTLS(name, why string, over Transport, use Step, proof ...Step) Scenario {
	return Scenario{
		Name: name, Doc: why + ": the guest stays", Needs: []Need{TLS}, Ends: record.OnSource,
		Story: slices.Concat(Steps{
			use, atAnyDowntime(), Set(MaxBandwidth, 1*GB),
			Boot(), Listen(over), Tap(), Migrate(), AwaitRefusal(why), SeeNothingInClear(), SeeDestinationEmpty(),
		}, proof),
	}
}

// AwaitRefusal waits until the source gives up a migration that must not take place,
// why being the reason. It ends at once where the guest moves all the same. To stop the
// guest is not to move it: the refusal may come when all seems sent.
func AwaitRefusal(why string) Step {
	return Step{Name: "await the refusal", Phase: record.PhaseSwitchover, Do: func(ctx context.Context, p *Pair) error {
		event, err := p.Source.Await(ctx, "status failed", func(e qmp.Event) bool {
			status := statusOf(e)
			return status == qapi.MigrationFailed || status == qapi.MigrationCompleted
		})
		if err == nil && statusOf(event) != qapi.MigrationFailed {
			err = fmt.Errorf("the migration went on, though %s", why)
		}
		return err
	}}
}

// UsePSK gives both sides a key: the same, or each another one.
func UsePSK(different bool) Step {
	return Step{Name: "use a pre-shared key", Do: func(ctx context.Context, p *Pair) error {
		key := rand.Text()
		for _, s := range p.Sides() {
			dir, err := p.secrets(s)
			if err != nil {
				return err
			}
			if different {
				key = rand.Text()
			}
			line := fmt.Sprintf("qemu:%x\n", key)
			if err := os.WriteFile(filepath.Join(dir, "keys.psk"), []byte(line), 0o600); err != nil {
				return err
			}
			more := ""
			if s == p.Source {
				more = ",username=qemu" // as in the file
			}
			if err := s.useTLS(ctx, "tls-creds-psk", dir, more); err != nil {
				return err
			}
		}
		// 5.2 wants a host to expect, also where no certificate names one.
		return p.Source.set(ctx, "tls-hostname", "drover.test")
	}}
}

// identities say which certificates there are, and who checks what.
type identities struct {
	Server string // the host that the destination's certificate is for
	Expect string // the host that the source is told to expect; empty leaves it to the address
	Client string // the name in the source's certificate; empty for none
	Verify bool   // the destination asks for the source's certificate
	Admit  string // the only name that the destination lets in; empty lets all

	ServerIs, ClientIs flaw // what is wrong with the certificates
}

// UseX509 makes certificates and gives both sides theirs.
func UseX509(x identities) Step {
	return Step{Name: "use certificates", Do: func(ctx context.Context, p *Pair) error {
		source, err := p.secrets(p.Source)
		if err != nil {
			return err
		}
		destination, err := p.secrets(p.Destination)
		if err != nil {
			return err
		}
		if err := x.write(source, destination); err != nil {
			return err
		}
		if err := p.Source.useTLS(ctx, "tls-creds-x509", source, checks(true, x.ClientIs)); err != nil {
			return err
		}
		if err := p.Destination.useTLS(ctx, "tls-creds-x509", destination, checks(x.Verify, x.ServerIs)); err != nil {
			return err
		}
		if x.Expect != "" {
			if err := p.Source.set(ctx, "tls-hostname", x.Expect); err != nil {
				return err
			}
		}
		if x.Admit == "" {
			return nil
		}
		if err := p.Destination.addObject(ctx, "authz-simple,id=guard,identity=CN="+x.Admit); err != nil {
			return err
		}
		return p.Destination.set(ctx, "tls-authz", "guard")
	}}
}

// checks are what a side looks at: the other's certificate, and its own unless that is
// bad on purpose.
func checks(other bool, own flaw) string {
	yesNo := map[bool]string{true: "yes", false: "no"}
	return ",verify-peer=" + yesNo[other] + ",sanity-check=" + yesNo[own == flawless]
}

func (x identities) write(source, destination string) error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	for _, dir := range []string{source, destination} {
		if err := ca.write(dir); err != nil {
			return err
		}
	}
	if x.Client != "" {
		if err := ca.issue(source, "client", x.Client, x.ClientIs); err != nil {
			return err
		}
	}
	return ca.issue(destination, "server", x.Server, x.ServerIs)
}

// secrets makes a folder for one side's keys.
func (p *Pair) secrets(s *Side) (string, error) {
	dir := p.path(s.Name() + "-tls")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return dir, writeGroup(dir)
}

// useTLS makes the side's credentials of what is in the folder, and the migration
// use them.
func (s *Side) useTLS(ctx context.Context, kind, dir, more string) error {
	endpoint := "client"
	if s.Name() == DestinationName {
		endpoint = "server"
	}
	if err := s.addObject(ctx, fmt.Sprintf("%s,id=tls,endpoint=%s,dir=%s%s", kind, endpoint, dir, more)); err != nil {
		return err
	}
	return s.set(ctx, "tls-creds", "tls")
}

// addObject goes by the human monitor, whose syntax has stayed the same since 5.2;
// that of object-add has not.
func (s *Side) addObject(ctx context.Context, object string) error {
	said, err := qapi.HumanMonitor(ctx, s.QMP(), "object_add "+object)
	// Since 10.1 parameters for Diffie-Hellman are warned of.
	if err == nil && strings.TrimSpace(said) != "" && !strings.HasPrefix(said, "warning:") {
		kind, _, _ := strings.Cut(object, ",")
		err = fmt.Errorf("the %s's object_add %s: %s", s.Name(), kind, strings.TrimSpace(said))
	}
	return err
}

// tlsHandshake is what a TLS connection begins with: a handshake record of
// version 3.x (RFC 8446, section 5.1).
const tlsHandshake = "\x16\x03"

// SeeEncrypted gathers how many connections there were, and that each began with a
// TLS handshake, from either side's first byte on.
func SeeEncrypted(connections int) Step {
	return Step{Name: "see that the link is encrypted", Do: func(ctx context.Context, p *Pair) error {
		if err := p.drain(ctx); err != nil {
			return err
		}
		tls := 0
		for _, c := range p.Facts.Link.Connections {
			if bytes.HasPrefix(c.First, []byte(tlsHandshake)) {
				tls++
			}
		}
		p.measure("connections", float64(len(p.Facts.Link.Connections)), "connections", record.Exactly(float64(connections)))
		p.measure("connections that begin with a TLS handshake", float64(tls), "connections", record.Exactly(float64(connections)))
		return nil
	}}
}

// SeeNothingInClear gathers how many connections carried a migration stream as it is.
func SeeNothingInClear() Step {
	return Step{Name: "see that nothing went in clear", Do: func(ctx context.Context, p *Pair) error {
		if err := p.drain(ctx); err != nil {
			return err
		}
		clear := 0
		for _, c := range p.Facts.Link.Connections {
			if c.Forward > 0 && !bytes.HasPrefix(c.First, []byte(tlsHandshake)) {
				clear++
			}
		}
		p.measure("connections in clear", float64(clear), "connections", record.Exactly(0))
		return nil
	}}
}

// SeeDestinationEmpty demands that nothing of the guest arrived on a destination
// that should not have taken it. It may go on waiting, or have given up.
func SeeDestinationEmpty() Step {
	return Step{Name: "see the destination empty", Do: func(ctx context.Context, p *Pair) error {
		d := p.Destination
		value, err := p.counter(ctx, d)
		if state := d.ExitState(); state != nil {
			if d.gaveUp = state.ExitCode() == 1; !d.gaveUp {
				return fmt.Errorf("the destination ended with %s: %s", state, d.Stderr())
			}
			return nil
		}
		if err == nil && value.Value != 0 {
			err = fmt.Errorf("the destination has %d at %#x, which is the guest's", value.Value, value.Address)
		}
		return err
	}}
}

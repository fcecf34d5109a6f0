package steps

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/testpki"
)

// Keys and certificates are made for each run, in its private folder; no secret
// is on a command line.
func tlsVerbs() migration.Vocabulary {
	return append(migration.Vocabulary{
		{
			Name: "use psk", Args: "[mismatch|again] [source-priority=PRIORITY] [destination-priority=PRIORITY]",
			Doc:     "Makes both sides use TLS with a pre-shared key: the same, or with mismatch one that differs in its last digit; again gives a destination that was started in place of another the key of the first; a priority, as GnuTLS writes it, says which versions and ciphers a side takes.",
			Example: "use psk",
			Step: func(a *migration.Args) migration.Step {
				if a.Option("again") {
					return UsePSKAgain()
				}
				priorities := map[string]string{
					migration.SourceName: a.Key("source-priority"), migration.DestinationName: a.Key("destination-priority"),
				}
				return usePSK(a.Option("mismatch"), priorities)
			},
		},
		{
			Name: "use x509", Args: "server=HOST [expect=HOST] [client=NAME] [admit=NAME] [server-is=foreign|expired] [client-is=foreign|expired] [verify]",
			Doc:     "Makes certificates, and both sides use TLS with them: server is the host that the destination's is for, expect the one that the source has to expect (tls-hostname), client the name in the source's, which has none without it; verify makes the destination ask for it, and admit let in (tls-authz) only that name; a certificate may be foreign, signed by an authority that the other side doesn't know, or expired.",
			Example: "use x509 server=drover.test expect=drover.test client=friend verify",
			Step:    func(a *migration.Args) migration.Step { return UseX509(certificates(a)) },
		},
	}, encryptedVerbs()...)
}

// certificates takes what a line has of them.
func certificates(a *migration.Args) Certificates {
	c := Certificates{
		Server: a.Key("server"), Expect: a.Key("expect"), Client: a.Key("client"), Admit: a.Key("admit"),
		ServerIs: Flaw(a.Key("server-is")), ClientIs: Flaw(a.Key("client-is")), Verify: a.Option("verify"),
	}
	if c.Server == "" {
		a.Fail("server=HOST is missing")
	}
	for _, flaw := range []Flaw{c.ServerIs, c.ClientIs} {
		if flaw != "" && flaw != Foreign && flaw != Expired {
			a.Fail("%q is nothing that a certificate can be: it is %s or %s", flaw, Foreign, Expired)
		}
	}
	if c.Client == "" && c.ClientIs != "" {
		a.Fail("client-is=%s wants a certificate that can be so: client=NAME", c.ClientIs)
	}
	return c
}

// The user in a file of pre-shared keys, and the ids of objects, of which each QEMU has
// its own.
const (
	pskUser       = "qemu"
	credentialsID = "tls"
	authzID       = "guard"
)

// pskHost is the host that a source expects where there are no certificates: 5.2 wants one
// all the same.
const pskHost = "drover.test"

// UsePSK gives both sides a key, and makes them use it: the same, or one that differs in its
// last digit.
func UsePSK(mismatch bool) migration.Step { return usePSK(mismatch, nil) }

// usePSK is UsePSK where a side takes only what its priority says.
func usePSK(mismatch bool, priorities map[string]string) migration.Step {
	return migration.Step{Name: "use psk", Gives: []string{"use psk"}, Do: func(ctx context.Context, p *migration.Pair) error {
		key := rand.Text()
		for _, s := range p.Sides() {
			dir, err := secrets(p, s)
			if err != nil {
				return err
			}
			line := fmt.Sprintf("%s:%x30\n", pskUser, key)
			if mismatch && s == p.Destination { // in one place only
				line = fmt.Sprintf("%s:%x31\n", pskUser, key)
			}
			if err := os.WriteFile(filepath.Join(dir, "keys.psk"), []byte(line), 0o600); err != nil {
				return err
			}
			more := ""
			if s == p.Source {
				more = ",username=" + pskUser
			}
			if priority := priorities[s.Name()]; priority != "" {
				more += ",priority=" + escaped(priority)
			}
			if err := useTLS(ctx, s, "tls-creds-psk", dir, more); err != nil {
				return err
			}
		}
		return setText(ctx, p.Source, qapi.ParamTLSHostname, pskHost)
	}}
}

// UsePSKAgain gives a destination that was started in place of another the key that the
// first one had.
func UsePSKAgain() migration.Step {
	return migration.Step{Name: "use psk again", Wants: []string{"use psk"}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, migration.DestinationName, func(s *migration.Side) error {
			return useTLS(ctx, s, "tls-creds-psk", secretsFolder(p, s), "")
		})
	}}
}

// A Flaw is what is wrong with a certificate; empty for nothing.
type Flaw = testpki.Flaw

// Flaws of certificates.
const (
	Foreign = testpki.Foreign // signed by an authority that the other side doesn't know
	Expired = testpki.Expired
)

// Certificates are which there are, and which side checks what.
type Certificates struct {
	Server string // the host that the destination's certificate is for
	Expect string // the host that the source has to expect; empty leaves it to the address
	Client string // the name in the source's certificate; empty for none
	Verify bool   // the destination asks for the source's certificate
	Admit  string // the only name that the destination authorizes; empty for all

	ServerIs, ClientIs Flaw // what is wrong with the certificates
}

// UseX509 makes certificates, gives both sides theirs, and makes them use them.
func UseX509(c Certificates) migration.Step {
	return step("use x509", func(ctx context.Context, p *migration.Pair) error {
		if p.Destination == nil {
			return errors.New("there is no destination yet")
		}
		source, err := secrets(p, p.Source)
		if err != nil {
			return err
		}
		destination, err := secrets(p, p.Destination)
		if err != nil {
			return err
		}
		if err := c.write(source, destination); err != nil {
			return err
		}
		if err := useTLS(ctx, p.Source, "tls-creds-x509", source, checks(true, c.ClientIs)); err != nil {
			return err
		}
		if err := useTLS(ctx, p.Destination, "tls-creds-x509", destination, checks(c.Verify, c.ServerIs)); err != nil {
			return err
		}
		if c.Expect != "" {
			if err := setText(ctx, p.Source, qapi.ParamTLSHostname, c.Expect); err != nil {
				return err
			}
		}
		if c.Admit == "" {
			return nil
		}
		if err := addObject(ctx, p.Destination, "authz-simple,id="+authzID+",identity=CN="+escaped(c.Admit)); err != nil {
			return err
		}
		return setText(ctx, p.Destination, qapi.ParamTLSAuthz, authzID)
	})
}

// checks are what a side looks at: the other's certificate, and its own unless that is
// bad on purpose.
func checks(other bool, own Flaw) string {
	yesNo := map[bool]string{true: "yes", false: "no"}
	return ",verify-peer=" + yesNo[other] + ",sanity-check=" + yesNo[own == testpki.Flawless]
}

func (c Certificates) write(source, destination string) error {
	ca, err := testpki.NewAuthority()
	if err != nil {
		return err
	}
	for _, dir := range []string{source, destination} {
		if err := ca.Write(dir); err != nil {
			return err
		}
	}
	if c.Client != "" {
		if err := ca.Issue(source, "client", c.Client, c.ClientIs); err != nil {
			return err
		}
	}
	return ca.Issue(destination, "server", c.Server, c.ServerIs)
}

// secretsFolder is where one side's keys are.
func secretsFolder(p *migration.Pair, s *migration.Side) string { return p.Path(s.Name() + "-tls") }

// secrets makes a folder for one side's keys.
func secrets(p *migration.Pair, s *migration.Side) (string, error) {
	dir := secretsFolder(p, s)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return dir, testpki.WriteGroup(dir)
}

// useTLS makes the side's credentials of what is in the folder, and the migration
// use them.
func useTLS(ctx context.Context, s *migration.Side, kind, dir, more string) error {
	endpoint := "client"
	if s.Name() == migration.DestinationName {
		endpoint = "server"
	}
	if err := addObject(ctx, s, fmt.Sprintf("%s,id=%s,endpoint=%s,dir=%s%s", kind, credentialsID, endpoint, escaped(dir), more)); err != nil {
		return err
	}
	return setText(ctx, s, qapi.ParamTLSCreds, credentialsID)
}

// setText gives a parameter a value that is a string.
func setText(ctx context.Context, s *migration.Side, parameter qapi.Parameter, value string) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return set(ctx, s, parameter, text)
}

// escaped is a value as it is among an object's properties, which commas divide.
func escaped(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// addObject goes by the human monitor, whose syntax has stayed the same since 5.2;
// that of object-add has not.
func addObject(ctx context.Context, s *migration.Side, object string) error {
	output, err := qapi.HumanMonitor(ctx, s.QMP(), "object_add "+object)
	// Since 10.1 parameters for Diffie-Hellman are warned of.
	if err == nil && strings.TrimSpace(output) != "" && !strings.HasPrefix(output, "warning:") {
		kind, _, _ := strings.Cut(object, ",")
		err = fmt.Errorf("the %s's object_add %s: %s", s.Name(), kind, strings.TrimSpace(output))
	}
	return err
}

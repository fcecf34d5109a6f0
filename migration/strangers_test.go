package migration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
	"github.com/drover-vm/drover/protocol/qapi"
)

// stranger connects another process to a port of this host, and returns once it has. It
// sends what is given, and leaves, or stays until the test ends, or waits until it is sent
// away before this returns.
func stranger(t *testing.T, uri, sends, then string) error {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(uri, "tcp:"))
	if err != nil {
		return err
	}
	// In the background of a shell that ends, so that it is no child of ours.
	const connect = `exec 4<&0; (exec 3<>/dev/tcp/127.0.0.1/"$1" && printf %s "$2" >&3; [ "$3" != waits ] || cat <&3; echo connected; [ "$3" != stays ] || read -r _ <&4) &`
	cmd := exec.Command("bash", "-c", connect, "bash", port, sends, then)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	t.Cleanup(func() { _, _ = stdin.Close(), cmd.Wait() })
	_, err = bufio.NewReader(stdout).ReadString('\n')
	return err
}

func needBash(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash, which can connect by itself: install it")
	}
}

// TestStrangerOnTheDestinationsPortIsNoVerdict: QEMU takes the first that connects, whoever
// that is.
func TestStrangerOnTheDestinationsPortIsNoVerdict(t *testing.T) {
	needBash(t)
	for _, c := range []struct{ sends, then string }{{"", "stays"}, {"", "leaves"}, {"GET / HTTP/1.0", "stays"}, {"GET / HTTP/1.0", "leaves"}} {
		t.Run(c.sends+" "+c.then, func(t *testing.T) {
			t.Parallel()
			result, err := scenario(t, "precopy/tcp/plain").Run(t.Context(), migration.Options{
				Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
				Rewrite: after("listen tcp", func(ctx context.Context, p *migration.Pair) error {
					if err := stranger(t, p.URI, c.sends, c.then); err != nil {
						return err
					}
					return migration.Poll(ctx, "the destination to see it", func() (bool, error) {
						info, err := qapi.QueryMigrate(ctx, p.Destination.QMP())
						return err != nil || info.Status != qapi.MigrationSetup && info.Status != "", nil
					})
				}),
			})
			require.ErrorContains(t, err, "somebody else connected to where the destination listens", explain(result))
			require.Equal(t, record.Unknown, result.Outcome)
			require.NotEmpty(t, result.Record.Strangers)
		})
	}
}

// TestStrangerOnTheTapIsSentAwayAndNamed, and the guest moves all the same.
func TestStrangerOnTheTapIsSentAwayAndNamed(t *testing.T) {
	needBash(t)
	t.Parallel()
	result := run(t, scenario(t, "precopy/tcp/plain"), migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
		Rewrite: after("listen tcp", func(ctx context.Context, p *migration.Pair) error {
			if err := steps.Tap().Do(ctx, p); err != nil {
				return err
			}
			return stranger(t, p.URI, "rubbish", "waits")
		}),
	})
	require.NoError(t, result.Err(), explain(result))
	require.Len(t, result.Record.Strangers, 1)
	require.Contains(t, result.Record.Strangers[0], "the tap: 127.0.0.1:")
}

// between makes JSON of what it holds once a stranger has connected: after drover's last look,
// and before QEMU is told to.
type between struct {
	stranger func() error
	of       any
}

func (b between) MarshalJSON() ([]byte, error) {
	if err := b.stranger(); err != nil {
		return nil, err
	}
	return json.Marshal(b.of)
}

// TestStrangerAfterTheLastLookIsNoVerdict: the failure that follows is nobody's.
func TestStrangerAfterTheLastLookIsNoVerdict(t *testing.T) {
	needBash(t)
	for _, c := range []struct {
		scenario, sends, then string
		tapped                bool
	}{
		{"precopy/tcp/plain", "", "stays", false},
		{"precopy/tcp/plain", "", "leaves", false},
		{"precopy/tcp/plain", "GET / HTTP/1.0", "stays", false},
		{"precopy/tcp/plain", "GET / HTTP/1.0", "leaves", false},
		{"multifd/tcp/uri/plain/none", "GET / HTTP/1.0", "leaves", true},
		{"multifd/tcp/tls/psk/mismatch", "GET / HTTP/1.0", "leaves", true}, // which was to fail
	} {
		t.Run(c.scenario+" "+c.sends+" "+c.then, func(t *testing.T) {
			t.Parallel()
			result, err := scenario(t, c.scenario).Run(t.Context(), migration.Options{
				Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
				Rewrite: func(all migration.Steps) migration.Steps {
					i := slices.IndexFunc(all, func(s migration.Step) bool { return s.Name == "migrate" })
					all[i].Do = func(ctx context.Context, p *migration.Pair) error {
						return p.MigrateTo(ctx, between{func() error { return stranger(t, p.URI, c.sends, c.then) }, qapi.MigrateArguments{URI: p.URI}})
					}
					return all
				},
			})
			require.NoError(t, err)
			require.Equal(t, result.Outcome, record.Judged(result.Record).Outcome, "the saved record says the same")
			if c.tapped && result.Outcome == record.Pass {
				return // one who had left before the tap looked took nobody's place
			}
			require.Equal(t, record.Unknown, result.Outcome, explain(result))
			require.Contains(t, result.Reason, "somebody else")
		})
	}
}

// TestStrangerBesideTheSourcesChannelsIsNoVerdict: QEMU sends away who comes when it has all
// its channels, and says so; a tap can't tell whose a connection was that is closed again.
func TestStrangerBesideTheSourcesChannelsIsNoVerdict(t *testing.T) {
	needBash(t)
	for _, c := range []string{"precopy/tcp/plain", "multifd/tcp/uri/plain/none"} { // without a tap, and with one
		t.Run(c, func(t *testing.T) {
			t.Parallel()
			result := run(t, scenario(t, c), migration.Options{
				Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
				Rewrite: after("await passes 1", func(_ context.Context, p *migration.Pair) error {
					return stranger(t, p.URI, "GET / HTTP/1.0", "leaves")
				}),
			})
			require.NotEqual(t, record.Fail, result.Outcome, explain(result))
			if result.Outcome == record.Unknown {
				require.Contains(t, result.Reason, "; but ")
				require.Contains(t, result.Reason, "somebody else")
			}
		})
	}
}

// TestFailureOverTCPStandsWhereTheSourceWasSeenToArrive: nobody else had a part in it.
func TestFailureOverTCPStandsWhereTheSourceWasSeenToArrive(t *testing.T) {
	t.Parallel()
	result := run(t, scenario(t, "precopy/tcp/plain"), migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(),
		Rewrite: after("await passes 1", func(context.Context, *migration.Pair) error { return errors.New("it is not as it should be") }),
	})
	require.Equal(t, record.Fail, result.Outcome, explain(result))
	require.Empty(t, result.Record.Unsure)
}

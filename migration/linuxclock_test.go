package migration_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest"
	guestwire "github.com/drover-vm/drover/guest/wire"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// TestWorkersNoticeATimeThatIsSet, by a program that runs in the guest.
func TestWorkersNoticeATimeThatIsSet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "set-time")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "./testdata/set-time")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	program, err := os.ReadFile(path)
	require.NoError(t, err)
	requireEachNoticed(t, scenario(t, "linux/precopy"), linuxOptions(t, "x86_64"), []linuxTampering{{
		what: "the time is set back", worker: "clock",
		complaints: []string{`^CLOCK_REALTIME was set: it is \d{7} ms behind what it was against CLOCK_BOOTTIME` + onDestination},
		fault: func(ctx context.Context, p *migration.Pair) error {
			return runOnDestination(ctx, p, program)
		},
	}})
}

// runOnDestination has the guest run a program, and waits for its end.
func runOnDestination(ctx context.Context, p *migration.Pair, program []byte) error {
	file := p.Linux().NewFile(program)
	for at := 0; at < len(program); at += guestwire.MaxPiece {
		part := program[at:min(at+guestwire.MaxPiece, len(program))]
		if err := p.Destination.Port().Send(ctx, string(p.Linux().Piece(file, int64(at), part))); err != nil {
			return err
		}
	}
	number, text, err := p.Linux().Run(file, []string{"set-time"})
	if err != nil {
		return err
	}
	if err := p.Destination.Port().Send(ctx, string(text)); err != nil {
		return err
	}
	return p.HearUntil(ctx, p.Destination, "the end of the program", func(g *guest.Session) bool { return g.Ran(number).Exit != nil })
}

// TestWorkersNoticeAClockThatStoodStill: QEMU is told to stop the guest, which stops its clock, and
// the pause is none of the migration's.
func TestWorkersNoticeAClockThatStoodStill(t *testing.T) {
	t.Parallel()
	options := linuxOptions(t, "x86_64")
	options.Rewrite = behind("check that the destination runs", func(ctx context.Context, p *migration.Pair) error {
		if err := qapi.Stop(ctx, p.Destination.QMP()); err != nil {
			return err
		}
		stands, cancel := context.WithTimeout(ctx, 700*time.Millisecond) // which the clock loses
		defer cancel()
		<-stands.Done()
		return qapi.Cont(ctx, p.Destination.QMP())
	})
	result := run(t, scenario(t, "linux/precopy"), options)
	v := verdictOf(t, result, "linux clock")
	require.Regexp(t, `the guest's clock lost \d+ ms against the host's in the move, where the guest was paused for \d+ ms`, v.Witness)
	require.NotEqual(t, record.Pass, v.Outcome, v.Witness)
	require.Greater(t, *result.Record.Linux.ClockLostMS, 650.0)
}

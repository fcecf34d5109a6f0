package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
)

// recoveryVerbs are about a postcopy that has lost its connection, and goes on over another.
func recoveryVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "migrate-pause", Doc: "Breaks the connection once the guest runs on the destination, and waits until both sides announce postcopy-paused.",
			Example: "migrate-pause", Step: do(PausePostcopy),
		},
		{
			Name: "migrate-recover", Doc: "Makes a destination that lost its connection listen on another UNIX socket.", Example: "migrate-recover",
			Step: do(RecoverPostcopy),
		},
		{
			Name: "resume", Doc: "Makes the source resume the migration to where the destination listens now, and waits until it recovers.", Example: "resume",
			Step: do(Resume),
		},
		{
			Name: "resume nobody", Doc: "Makes the source resume the migration to where nobody listens, after which it must be paused as before.", Example: "resume nobody",
			Step: do(ResumeNobody),
		},
		{
			Name: "pause recovery", Args: "[since RELEASE]", Sides: []string{migration.SourceName, migration.DestinationName},
			Doc:     "Tells a side that waits for the other to recover to pause again (migrate-pause), which a QEMU older than the release may refuse.",
			Example: "pause recovery since 8.2",
			Step:    func(a *migration.Args) migration.Step { return PauseRecovery(a.Side(), a.Since()) },
		},
		{
			Name: "await postcopy-paused", Args: "[again]",
			Doc:     "Waits until both sides announce, after a fault, that their connection is lost; again is for the connection of a recovery.",
			Example: "await postcopy-paused again",
			Step: func(a *migration.Args) migration.Step {
				if a.Option("again") {
					return AwaitPostcopyPausedAgain()
				}
				return AwaitPostcopyPaused()
			},
		},
		{
			Name: "await recovering", Doc: "Waits until the destination recovers as well, and demands that both sides still do: for a recovery that something holds up, as hold replies does. One that nothing holds up is over too soon; await switchover waits for its end.", Example: "await recovering",
			Step: do(AwaitRecovering),
		},
		{
			Name: "connect stranger", Doc: "Connects to where the destination listens for a recovery, begins what may be one, and sends no more.", Example: "connect stranger",
			Step: do(ConnectStranger),
		},
	}
}

// recoveries are the places in the log of each side's events where the present recovery
// begins.
var recoveries migration.Slot[map[*migration.Side]migration.Mark]

// errNotRecovering says that a step is about a recovery that has not begun.
var errNotRecovering = errors.New("no recovery has begun: put the step migrate-recover before this one")

// onRecovery is a step that wants a recovery to have begun.
func onRecovery(name string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{"migrate-recover"}, Do: func(ctx context.Context, p *migration.Pair) error {
		if *recoveries.Of(p) == nil {
			return errNotRecovering
		}
		return do(ctx, p)
	}}
}

// awaitRecovery waits until the present attempt to recover comes to the status.
func awaitRecovery(ctx context.Context, p *migration.Pair, s *migration.Side, status qapi.MigrationStatus) (qmp.Event, error) {
	from, ok := (*recoveries.Of(p))[s]
	if !ok {
		return qmp.Event{}, errNotRecovering
	}
	return s.AwaitStatusFrom(ctx, from, status)
}

// PausePostcopy breaks the connection once the guest runs on the destination, and
// waits until both sides have noticed. Earlier, a destination that is still loading
// would end with an error.
func PausePostcopy() migration.Step {
	return migration.Step{Name: "migrate-pause", Wants: []string{startPostcopy}, Do: func(ctx context.Context, p *migration.Pair) error {
		// Since 10.2 the source learns of it, and takes migrate-pause only then.
		if err := awaitPostcopy(ctx, p); err != nil {
			return err
		}
		if err := qapi.MigratePause(ctx, qapi.OOB(p.Source.QMP())); err != nil {
			return err
		}
		return p.OnBoth(ctx, func(ctx context.Context, s *migration.Side) error {
			_, err := s.AwaitStatus(ctx, qapi.MigrationPostcopyPaused)
			return err
		})
	}}
}

// RecoverPostcopy makes a destination that lost its connection listen at another address.
// Its monitor may hang on a page that is missing, so the command goes out of band.
func RecoverPostcopy() migration.Step {
	return migration.Step{Name: "migrate-recover", Wants: []string{startPostcopy}, Do: func(ctx context.Context, p *migration.Pair) error {
		return each(p, migration.DestinationName, func(d *migration.Side) error {
			p.Facts.Recoveries++
			p.URI = "unix:" + p.Path(fmt.Sprintf("recovery%d.sock", p.Facts.Recoveries))
			marks := map[*migration.Side]migration.Mark{}
			for _, s := range p.Sides() {
				marks[s] = s.QMP().Mark()
			}
			*recoveries.Of(p) = marks
			return qapi.MigrateRecover(ctx, qapi.OOB(d.QMP()), p.URI)
		})
	}}
}

// recoverSetup leads to the status of a source that makes its connection for a recovery,
// which QEMU has since 9.1.
const recoverSetup = "query-migrate -> status postcopy-recover-setup"

// Resume makes the source go on where the destination listens now, and waits until
// it recovers.
func Resume() migration.Step {
	return onRecovery("resume", func(ctx context.Context, p *migration.Pair) error {
		if err := resume(ctx, p, p.URI); err != nil {
			return err
		}
		setsUp, err := p.Source.HasSchema(ctx, recoverSetup)
		if err != nil {
			return err
		}
		if setsUp {
			if _, err := awaitRecovery(ctx, p, p.Source, qapi.MigrationRecoverSetup); err != nil {
				return err
			}
		}
		_, err = awaitRecovery(ctx, p, p.Source, qapi.MigrationPostcopyRecover)
		return err
	})
}

// ResumeNobody has the source resume where nobody listens, after which it must be
// paused as before, by itself.
func ResumeNobody() migration.Step {
	return onRecovery("resume nobody", func(ctx context.Context, p *migration.Pair) error {
		if err := resume(ctx, p, "unix:"+p.Path("nobody.sock")); err != nil {
			return err
		}
		// Before 9.1 it is paused all the while, and no event announces it.
		setsUp, err := p.Source.HasSchema(ctx, recoverSetup)
		if err != nil {
			return err
		}
		if setsUp {
			_, err := awaitRecovery(ctx, p, p.Source, qapi.MigrationPostcopyPaused)
			return err
		}
		return p.Source.ExpectStatus(ctx, qapi.MigrationPostcopyPaused)
	})
}

func resume(ctx context.Context, p *migration.Pair, uri string) error {
	return qapi.Migrate(ctx, p.Source.QMP(), qapi.MigrateArguments{URI: uri, Resume: true})
}

// PauseRecovery pauses a side again, [migration.SourceName] or [migration.DestinationName],
// that waits for the other to recover. That QEMU allows it is younger than the command,
// and its schema does not show it: since is the release that allows it.
func PauseRecovery(on string, since migration.Release) migration.Step {
	return onRecovery("pause recovery on the "+on, func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			err := qapi.MigratePause(ctx, qapi.OOB(s.QMP()))
			if reply, ok := errors.AsType[*qmp.Error](err); ok {
				return s.RefusedSince(reply.Desc, since, "")
			}
			if err != nil {
				return err
			}
			_, err = awaitRecovery(ctx, p, s, qapi.MigrationPostcopyPaused)
			return err
		})
	})
}

// AwaitPostcopyPaused waits until both sides know that their connection is broken.
func AwaitPostcopyPaused() migration.Step {
	noticed := AwaitFaultNoticed(qapi.MigrationPostcopyPaused)
	return migration.Step{
		Name: "await postcopy-paused", Wants: append(noticed.Wants, startPostcopy),
		Do: func(ctx context.Context, p *migration.Pair) error {
			if err := noticed.Do(ctx, p); err != nil {
				return err
			}
			return each(p, migration.DestinationName, func(d *migration.Side) error {
				_, err := d.AwaitStatus(ctx, qapi.MigrationPostcopyPaused)
				return err
			})
		},
	}
}

// AwaitPostcopyPausedAgain waits until both sides know that their recovery has failed.
func AwaitPostcopyPausedAgain() migration.Step {
	return onRecovery("await postcopy-paused again", func(ctx context.Context, p *migration.Pair) error {
		noticed, err := awaitRecovery(ctx, p, p.Source, qapi.MigrationPostcopyPaused)
		if err != nil {
			return err
		}
		if f := p.Facts.Fault; f != nil {
			if err := noteNoticed(ctx, p, f, noticed); err != nil {
				return err
			}
		}
		_, err = awaitRecovery(ctx, p, p.Destination, qapi.MigrationPostcopyPaused)
		return err
	})
}

// AwaitRecovering waits until the destination recovers as well, and demands that neither
// side has gone on.
func AwaitRecovering() migration.Step {
	await := onRecovery("await recovering", func(ctx context.Context, p *migration.Pair) error {
		if _, err := awaitRecovery(ctx, p, p.Destination, qapi.MigrationPostcopyRecover); err != nil {
			return err
		}
		for _, s := range p.Sides() {
			if err := s.ExpectStatus(ctx, qapi.MigrationPostcopyRecover); err != nil {
				return err
			}
		}
		return nil
	})
	await.Wants = append(await.Wants, "resume")
	return await
}

// unfinished is what a recovery's stream may begin with: QEMU_VM_COMMAND, the number of
// MIG_CMD_PING, and the first half of its length (migration/savevm.c in QEMU). A
// destination looks at four bytes to tell channels apart.
var unfinished = []byte{0x08, 0, 3, 0}

// ConnectStranger connects to where the destination listens, begins what may be a
// recovery, and sends no more.
func ConnectStranger() migration.Step {
	return onRecovery("connect stranger", func(ctx context.Context, p *migration.Pair) error {
		path, ok := strings.CutPrefix(p.URI, "unix:")
		if !ok {
			return fmt.Errorf("a stranger connects to a UNIX socket, and %s is none: put this step behind migrate-recover", p.URI)
		}
		stranger, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		hold(p, stranger)
		if err := unix.Connect(stranger, &unix.SockaddrUnix{Name: path}); err != nil {
			return fmt.Errorf("connect %s: %w", path, err)
		}
		if _, err := unix.Write(stranger, unfinished); err != nil {
			return err
		}
		_, err = awaitRecovery(ctx, p, p.Destination, qapi.MigrationPostcopyRecover)
		return err
	})
}

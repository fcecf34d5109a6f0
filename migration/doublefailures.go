package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// A recovery fails as well, and the next one brings the rest of the guest's RAM.
func doubleFailures() []Scenario {
	return []Scenario{doubleHandshake, doubleReconnect, faultCutRecovery}
}

var doubleHandshake = Scenario{
	Name:  "postcopy/recovery/double-failures/handshake",
	Doc:   "the recovery hangs, for the source hears nothing; it is told to pause again, and the next one completes",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}, survivesSecondLoss},
	Story: slices.Concat(Steps{Enable(PostcopyRAM)}, breaksTapped(), recoversDeaf(), Steps{
		PauseAgain(SourceName), AwaitPausedAgain(),
	}, recoversAgain()),
}

var doubleReconnect = Scenario{
	Name:  "postcopy/recovery/double-failures/reconnect",
	Doc:   "the source finds nobody where it is told to go on, while a stranger keeps the destination waiting; the next attempt completes",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}},
	Story: slices.Concat(Steps{Enable(PostcopyRAM)}, breaksTapped(), Steps{
		ListenAgain(), StrangerCalls(), ResumeWithNobody(), PauseAgain(DestinationName),
	}, recoversAgain()),
}

var faultCutRecovery = Scenario{
	Name:  "fault/cut/recovery",
	Doc:   "the connection that takes the place of one that broke closes before the sides have agreed; the next one brings the rest",
	Needs: []Need{Userfaultfd, {Capability: PostcopyRAM}, survivesSecondLoss},
	Story: slices.Concat(Steps{Enable(PostcopyRAM)}, breaksTapped(), recoversDeaf(), Steps{
		CutLink(), AwaitPausedAgain(),
	}, recoversAgain()),
}

// survivesSecondLoss is what 5.2 and 7.2 do not do.
var survivesSecondLoss = Need{Gone: 10, What: "a destination whose connection breaks while it recovers is killed by SIGSEGV"}

// recoversDeaf begins a recovery that comes to nothing: what the destination answers
// does not reach the source.
func recoversDeaf() Steps {
	return Steps{ListenAgain(), LeadTap(), holdAnswers(2), Resume(), AwaitRecovering()}
}

// recoversAgain is the recovery that succeeds.
func recoversAgain() Steps {
	return Steps{ListenAgain(), LeadTap(), Resume(), Set(MaxPostcopyBandwidth, 0), AwaitSwitchover(), SeePostcopy()}
}

// holdAnswers lets nothing pass back over the n-th connection, which is yet to come.
func holdAnswers(n int) Step {
	return Step{Name: fmt.Sprintf("hold the answers on connection %d", n), Do: func(_ context.Context, p *Pair) error {
		p.tap.link(n).Back.Hold()
		return nil
	}}
}

// AwaitRecovering waits until the destination recovers as well, and demands that neither
// side has gone on.
func AwaitRecovering() Step {
	return Step{Name: "await the recovery on the destination", Do: func(ctx context.Context, p *Pair) error {
		if _, err := p.Destination.awaitRecovery(ctx, qapi.MigrationPostcopyRecover); err != nil {
			return err
		}
		for _, s := range p.Sides() {
			if err := s.seeStatus(ctx, qapi.MigrationPostcopyRecover); err != nil {
				return err
			}
		}
		return nil
	}}
}

// PauseAgain tells a side that waits for the other to recover to give that up. That it
// may be told so is younger than the command, and QEMU's schema does not tell.
func PauseAgain(name string) Step {
	return Step{Name: "migrate-pause on the " + name, Do: func(ctx context.Context, p *Pair) error {
		s := p.Source
		if name == DestinationName {
			s = p.Destination
		}
		err := qapi.MigratePause(ctx, qapi.OOB(s.QMP()))
		if said, ok := errors.AsType[*qmp.Error](err); ok {
			return &MissingError{fmt.Sprintf("QEMU %s refuses to pause a recovery: %s", s.Facts.Version, said.Desc)}
		}
		if err != nil {
			return err
		}
		_, err = s.awaitRecovery(ctx, qapi.MigrationPostcopyPaused)
		return err
	}}
}

// AwaitPausedAgain waits until both sides know that their recovery has failed.
func AwaitPausedAgain() Step {
	return Step{Name: "await postcopy-paused on both once more", Do: func(ctx context.Context, p *Pair) error {
		noticed, err := p.Source.awaitRecovery(ctx, qapi.MigrationPostcopyPaused)
		if err != nil {
			return err
		}
		if f := p.Facts.Fault; f != nil {
			if err := p.noteNotice(ctx, noticed); err != nil {
				return err
			}
		}
		_, err = p.Destination.awaitRecovery(ctx, qapi.MigrationPostcopyPaused)
		return err
	}}
}

// unfinished is what a recovery's stream may begin with: QEMU_VM_COMMAND, the number of
// MIG_CMD_PING, and the first half of its length (migration/savevm.c in QEMU). A
// destination looks at four bytes to tell channels apart.
var unfinished = []byte{0x08, 0, 3, 0}

// StrangerCalls connects to where the destination listens, begins what may be a
// recovery, and says no more.
func StrangerCalls() Step {
	return Step{Name: "a stranger calls the destination", Do: func(ctx context.Context, p *Pair) error {
		stranger, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		p.held = append(p.held, stranger)
		if err := unix.Connect(stranger, &unix.SockaddrUnix{Name: strings.TrimPrefix(p.uri, "unix:")}); err != nil {
			return err
		}
		if _, err := unix.Write(stranger, unfinished); err != nil {
			return err
		}
		_, err = p.Destination.awaitRecovery(ctx, qapi.MigrationPostcopyRecover)
		return err
	}}
}

// recoverySetup is the status of a source that makes its connection for a recovery.
var recoverySetup = Need{Schema: "query-migrate -> status postcopy-recover-setup", What: "status postcopy-recover-setup"}

// ResumeWithNobody tells the source to go on where nobody listens, which it must give up
// by itself, and be paused as before.
func ResumeWithNobody() Step {
	return Step{Name: "resume where nobody listens", Do: func(ctx context.Context, p *Pair) error {
		if err := p.resume(ctx, "unix:"+p.path("nobody.sock")); err != nil {
			return err
		}
		// Before 9.1 it is paused all the while, and no event says so.
		if p.Source.needSchema(ctx, recoverySetup) == nil {
			_, err := p.Source.awaitRecovery(ctx, qapi.MigrationPostcopyPaused)
			return err
		}
		return p.Source.seeStatus(ctx, qapi.MigrationPostcopyPaused)
	}}
}

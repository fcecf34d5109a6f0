package migration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration/record"
)

func files() []Scenario {
	return []Scenario{precopyFile, precopyFileOffset, precopyFileOffsetFDSet, precopyFileOffsetBad}
}

var precopyFile = Scenario{
	Name:  "precopy/file",
	Doc:   "into a file that had been larger, and out of it when all is there",
	Needs: []Need{FileTransport},
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), LeaveOldFile(), MigrateIntoFile(0), AwaitPass(1),
		atAnyDowntime(), AwaitSaved(), SeeNoOldFile(),
		LoadFile(), AwaitSwitchover(),
	},
}

var precopyFileOffset = Scenario{
	Name:  "precopy/file/offset",
	Doc:   "into a file behind what is in it already, which stays as it is",
	Needs: []Need{FileTransport},
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), WriteHeader(), MigrateIntoFile(headerSize), AwaitPass(1),
		atAnyDowntime(), AwaitSaved(), SeeHeader(),
		LoadFile(), AwaitSwitchover(),
	},
}

var precopyFileOffsetFDSet = Scenario{
	Name:  "precopy/file/offset/fdset",
	Doc:   "the same with a file that each side is given in a set",
	Needs: []Need{FileTransport},
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), WriteHeader(), LendFileSets(), MigrateIntoFile(headerSize), AwaitPass(1),
		atAnyDowntime(), AwaitSaved(), SeeHeader(),
		LoadFile(), AwaitSwitchover(), TakeFileSetsBack(),
	},
}

var precopyFileOffsetBad = Scenario{
	Name:  "precopy/file/offset/bad",
	Doc:   "an offset that is no number is refused, and nothing begins",
	Needs: []Need{FileTransport},
	Ends:  record.OnSource,
	Story: Steps{
		Boot(), WriteHeader(), SeeOffsetRefused("0x20M"), SeeNothingBegan(), SeeFileUntouched(),
	},
}

// streamFile is the file that a migration goes into, in the run's folder.
const streamFile = "stream"

// headerSize is how much stands in a file before the offset.
const headerSize = 4096

// header is what stands there.
func header() []byte { return bytes.Repeat([]byte("drover\n\x00"), headerSize/8) }

// streamMagic is what a migration stream begins with (migration/qemu-file.h in QEMU).
const streamMagic = "QEVM"

// WriteHeader makes the file, with something in it to leave alone.
func WriteHeader() Step {
	return Step{Name: "write a header", Do: func(_ context.Context, p *Pair) error {
		return os.WriteFile(p.path(streamFile), header(), 0o600)
	}}
}

// oldSize is that of a file that was there before, larger than any stream. It has no data.
const oldSize = 4 << 30

// LeaveOldFile makes the file as if a larger guest had been saved in it.
func LeaveOldFile() Step {
	return Step{Name: "leave an old file", Do: func(_ context.Context, p *Pair) error {
		if err := os.WriteFile(p.path(streamFile), nil, 0o600); err != nil {
			return err
		}
		return os.Truncate(p.path(streamFile), oldSize)
	}}
}

// SeeNoOldFile demands that nothing is left of it behind the stream.
func SeeNoOldFile() Step {
	return Step{Name: "see nothing behind the stream", Do: func(_ context.Context, p *Pair) error {
		info, err := os.Stat(p.path(streamFile))
		if err == nil && info.Size() >= oldSize {
			err = fmt.Errorf("the file has %d bytes: what it held before is still there behind the stream", info.Size())
		}
		return err
	}}
}

// MigrateIntoFile begins to send the guest into the file, from an offset on.
func MigrateIntoFile(offset int) Step {
	return Step{Name: fmt.Sprintf("migrate into a file at %d", offset), Phase: record.PhasePasses, Do: func(ctx context.Context, p *Pair) error {
		name := p.path(streamFile)
		if p.fileSet != "" {
			name = p.fileSet
		}
		p.uri = "file:" + name
		if offset > 0 {
			p.uri += fmt.Sprintf(",offset=%#x", offset)
		}
		return p.migrate(ctx, p.uri)
	}}
}

// MigrateIntoLentFile begins to send the guest into a file that the source has
// only as a descriptor. A QEMU that has file: instead may refuse, which its schema
// doesn't tell.
func MigrateIntoLentFile() Step {
	return Step{Name: "migrate into a lent file", Phase: record.PhasePasses, Do: func(ctx context.Context, p *Pair) error {
		f, err := os.OpenFile(p.path(streamFile), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if err := p.Source.lend(ctx, f); err != nil {
			return err
		}
		err = p.migrate(ctx, "fd:"+lentName)
		if said, ok := errors.AsType[*qmp.Error](err); ok && p.Source.needSchema(ctx, FileTransport) == nil {
			return &MissingError{fmt.Sprintf("QEMU %s refuses: %s", p.Source.Facts.Version, said.Desc)}
		}
		return err
	}}
}

// AwaitSaved waits until the source has stopped and sent everything.
func AwaitSaved() Step {
	return Step{Name: "await the end of saving", Phase: record.PhaseSwitchover, Do: func(ctx context.Context, p *Pair) error { return p.Source.completes(ctx, "STOP") }}
}

// LoadFile makes the destination read what the source has written.
func LoadFile() Step {
	return Step{Name: "load the file", Do: func(ctx context.Context, p *Pair) error { return p.listen(ctx, p.uri) }}
}

// LoadLentFile makes the destination read it from a descriptor of its own.
func LoadLentFile() Step {
	return Step{Name: "load a lent file", Do: func(ctx context.Context, p *Pair) error {
		f, err := os.Open(p.path(streamFile))
		if err != nil {
			return err
		}
		if err := p.Destination.lend(ctx, f); err != nil {
			return err
		}
		return p.listen(ctx, "fd:"+lentName)
	}}
}

// SeeHeader demands that the file begins as before, and that the stream stands
// right behind it.
func SeeHeader() Step {
	return Step{Name: "see the header and the stream behind it", Do: func(_ context.Context, p *Pair) error {
		f, err := os.Open(p.path(streamFile))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		found := make([]byte, headerSize+len(streamMagic))
		if _, err := f.ReadAt(found, 0); err != nil {
			return fmt.Errorf("the file is shorter than its header and a stream: %w", err)
		}
		if !bytes.Equal(found[:headerSize], header()) {
			return fmt.Errorf("the first %d bytes of the file, which lie before the offset, were changed", headerSize)
		}
		if magic := found[headerSize:]; string(magic) != streamMagic {
			return fmt.Errorf("at offset %d the file has %q, where the stream should begin with %q", headerSize, magic, streamMagic)
		}
		return nil
	}}
}

// SeeFileUntouched demands that nothing was written to the file.
func SeeFileUntouched() Step {
	return Step{Name: "see the file untouched", Do: func(_ context.Context, p *Pair) error {
		found, err := os.ReadFile(p.path(streamFile))
		if err == nil && !bytes.Equal(found, header()) {
			err = fmt.Errorf("the file was changed: it had %d bytes and has %d", headerSize, len(found))
		}
		return err
	}}
}

// SeeOffsetRefused demands that an offset is answered with an error.
func SeeOffsetRefused(offset string) Step {
	return Step{Name: "migrate into a file at " + offset, Do: func(ctx context.Context, p *Pair) error {
		return refused(p.migrate(ctx, "file:"+p.path(streamFile)+",offset="+offset), "the offset "+offset)
	}}
}

// refused demands that a command was answered with an error.
func refused(err error, what string) error {
	if err == nil {
		return fmt.Errorf("QEMU took %s, where an error was expected", what)
	}
	if _, ok := errors.AsType[*qmp.Error](err); ok {
		return nil
	}
	return err
}

// fileSetID is the set's number, which is the caller's to choose.
const fileSetID = 1

// LendFileSets gives each side the file in a set of descriptors: to the source for
// writing, to the destination for reading.
func LendFileSets() Step {
	return Step{Name: "lend the file in sets", Do: func(ctx context.Context, p *Pair) error {
		p.fileSet = fmt.Sprintf("/dev/fdset/%d", fileSetID)
		return errors.Join(
			p.Source.lendSet(ctx, p.path(streamFile), os.O_WRONLY),
			p.Destination.lendSet(ctx, p.path(streamFile), os.O_RDONLY))
	}}
}

func (s *Side) lendSet(ctx context.Context, path string, mode int) error {
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s.lent = append(s.lent, info)
	_, err = qapi.AddFD(ctx, s.QMP(), f, qapi.AddFDArguments{FDSet: new(int64(fileSetID))})
	return err
}

// TakeFileSetsBack removes the sets, and demands that no QEMU keeps the file.
func TakeFileSetsBack() Step {
	return Step{Name: "take the sets back", Do: func(ctx context.Context, p *Pair) error {
		return p.OnBoth(ctx, func(ctx context.Context, s *Side) error {
			if err := qapi.RemoveFD(ctx, s.QMP(), fileSetID, nil); err != nil {
				return err
			}
			return s.letsGo(ctx)
		})
	}}
}

// SeeNothingBegan demands that the source has no migration after one was refused.
func SeeNothingBegan() Step {
	return Step{Name: "see that nothing began", Do: func(ctx context.Context, p *Pair) error {
		info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
		if err != nil {
			return err
		}
		if info.Status != "" && info.Status != qapi.MigrationNone {
			return fmt.Errorf("the source's migration status is %s after a command that was refused", info.Status)
		}
		return nil
	}}
}

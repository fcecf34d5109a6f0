package steps

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

// fdSet is the number of the fd set, which is the caller's to choose.
const fdSet = 1

// PassFDSet passes the file to each side in an fd set: to the source for writing, to the
// destination for reading. Direct adds a descriptor that goes past the page cache, which
// QEMU looks for where its parameter direct-io is on.
func PassFDSet(direct bool) migration.Step {
	flags, name := 0, "pass fdset"
	if direct {
		flags, name = unix.O_DIRECT, "pass fdset direct"
	}
	pass := onFile(name, "create file", func(ctx context.Context, p *migration.Pair) error {
		if p.Destination == nil {
			return errors.New("there is no destination yet")
		}
		return errors.Join(
			addToFDSet(ctx, p.Source, p.Path(streamFile), os.O_WRONLY|flags),
			addToFDSet(ctx, p.Destination, p.Path(streamFile), os.O_RDONLY|flags))
	})
	pass.Gives = []string{"pass fdset"}
	return pass
}

func addToFDSet(ctx context.Context, s *migration.Side, path string, flags int) error {
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := s.Passed(f); err != nil {
		return err
	}
	_, err = qapi.AddFD(ctx, s.QMP(), f, qapi.AddFDArguments{FDSet: new(int64(fdSet))})
	return err
}

// RemoveFDSet removes the fd set on both sides, and demands that no QEMU keeps the file.
func RemoveFDSet() migration.Step {
	return onFile("remove fdset", "pass fdset", func(ctx context.Context, p *migration.Pair) error {
		return p.OnBoth(ctx, func(ctx context.Context, s *migration.Side) error {
			if err := qapi.RemoveFD(ctx, s.QMP(), fdSet, nil); err != nil {
				return err
			}
			return s.AwaitFDsClosed(ctx)
		})
	})
}

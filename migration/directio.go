package migration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// NeedDirectIO asks the file system that the file is to be in.
func NeedDirectIO() Step {
	return Step{Name: "ask the file system for O_DIRECT", Do: func(_ context.Context, p *Pair) error {
		f, err := os.OpenFile(p.path("direct"), os.O_CREATE|os.O_RDWR|unix.O_DIRECT, 0o600)
		if errors.Is(err, unix.EINVAL) {
			return &MissingError{fmt.Sprintf("the file system of %s has no O_DIRECT: set TMPDIR to a folder on one that has", filepath.Dir(p.path("direct")))}
		}
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}}
}

// MakeFile makes the file that a migration goes into, empty.
func MakeFile() Step {
	return Step{Name: "make the file", Do: func(_ context.Context, p *Pair) error {
		return os.WriteFile(p.path(streamFile), nil, 0o600)
	}}
}

// LendDirectDescriptors adds to each side's set a descriptor that goes past the page cache.
func LendDirectDescriptors() Step {
	return Step{Name: "lend descriptors with O_DIRECT", Do: func(ctx context.Context, p *Pair) error {
		return errors.Join(
			p.Source.lendSet(ctx, p.path(streamFile), os.O_WRONLY|unix.O_DIRECT),
			p.Destination.lendSet(ctx, p.path(streamFile), os.O_RDONLY|unix.O_DIRECT))
	}}
}

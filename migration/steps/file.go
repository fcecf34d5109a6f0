package steps

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// streamFile is the file that a migration goes into, in the run's folder.
const streamFile = "stream"

// streamMagic is what a migration stream begins with (migration/qemu-file.h in QEMU).
const streamMagic = "QEVM"

func fileVerbs() migration.Vocabulary {
	return append(saveVerbs(), migration.Vocabulary{
		{
			Name: "create file", Doc: "Makes {dir}/stream, the file that a migration goes into, empty.", Example: "create file",
			Step: do(CreateFile),
		},
		{
			Name: "write file-header", Doc: "Makes {dir}/stream with 4096 bytes in it that a migration with offset=0x1000 must leave alone.",
			Example: "write file-header", Step: do(WriteFileHeader),
		},
		{
			Name: "write old-file", Doc: "Makes {dir}/stream as if a larger guest had been saved in it: 4 GiB, all of them a hole.",
			Example: "write old-file", Step: do(WriteOldFile),
		},
		{
			Name: "pass fdset", Args: "[direct]",
			Doc:     "Passes {dir}/stream to each side in the fd set 1, which file:/dev/fdset/1 names: to the source for writing, to the destination for reading; direct adds a descriptor with O_DIRECT to the set.",
			Example: "pass fdset",
			Step:    func(a *migration.Args) migration.Step { return PassFDSet(a.Option("direct")) },
		},
		{
			Name: "remove fdset", Doc: "Removes the fd set on both sides, after which no QEMU may keep the file open.", Example: "remove fdset",
			Step: do(RemoveFDSet),
		},
		{
			Name: "expect file-header", Doc: "The header is as it was written, and the stream begins right behind it.", Example: "expect file-header",
			Step: do(ExpectFileHeader),
		},
		{
			Name: "expect file-truncated", Doc: "Nothing of the old file is left behind the stream.", Example: "expect file-truncated",
			Step: do(ExpectFileTruncated),
		},
		{
			Name: "expect file-untouched", Doc: "The file has its header, and nothing else was written to it.", Example: "expect file-untouched",
			Step: do(ExpectFileUntouched),
		},
		{
			Name: "expect file-size", Args: "BOUNDS", Doc: "How large the file is that the guest was saved in.", Example: "expect file-size 1..15MB",
			Step: func(a *migration.Args) migration.Step { return ExpectFileSize(a.Bounds()) },
		},
		{
			Name: "expect file-closed", Doc: "Waits until no QEMU has the file open.", Example: "expect file-closed",
			Step: do(ExpectFileClosed),
		},
	}...)
}

// CreateFile makes the file that a migration goes into, empty.
func CreateFile() migration.Step {
	return step("create file", func(_ context.Context, p *migration.Pair) error {
		return os.WriteFile(p.Path(streamFile), nil, 0o600)
	})
}

// headerSize is how much is in a file before the offset.
const headerSize = 4096

// header is what is there.
func header() []byte { return bytes.Repeat([]byte("drover\n\x00"), headerSize/8) }

// WriteFileHeader makes the file that a migration goes into, with something in it to
// leave alone.
func WriteFileHeader() migration.Step {
	return migration.Step{Name: "write file-header", Gives: []string{"create file"}, Do: func(_ context.Context, p *migration.Pair) error {
		return os.WriteFile(p.Path(streamFile), header(), 0o600)
	}}
}

// oldSize is that of a file that was there before, larger than any stream. It has no data.
const oldSize = 4 << 30

// WriteOldFile makes the file that a migration goes into as if a larger guest had been
// saved in it.
func WriteOldFile() migration.Step {
	return migration.Step{Name: "write old-file", Gives: []string{"create file"}, Do: func(_ context.Context, p *migration.Pair) error {
		if err := os.WriteFile(p.Path(streamFile), nil, 0o600); err != nil {
			return err
		}
		return os.Truncate(p.Path(streamFile), oldSize)
	}}
}

// ExpectFileTruncated demands that nothing of the old file is left behind the stream.
func ExpectFileTruncated() migration.Step {
	return onFile("expect file-truncated", "write old-file", func(_ context.Context, p *migration.Pair) error {
		info, err := os.Stat(p.Path(streamFile))
		if err == nil && info.Size() >= oldSize {
			err = fmt.Errorf("the file has %d bytes: what it held before is still there behind the stream", info.Size())
		}
		return err
	})
}

// ExpectFileHeader demands that the file begins as before, and that the stream is
// right behind it.
func ExpectFileHeader() migration.Step {
	return onFile("expect file-header", "write file-header", func(_ context.Context, p *migration.Pair) error {
		f, err := os.Open(p.Path(streamFile))
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
	})
}

// ExpectFileUntouched demands that nothing was written to the file but its header.
func ExpectFileUntouched() migration.Step {
	return onFile("expect file-untouched", "write file-header", func(_ context.Context, p *migration.Pair) error {
		found, err := os.ReadFile(p.Path(streamFile))
		if err == nil && !bytes.Equal(found, header()) {
			err = fmt.Errorf("the file was changed: it had %d bytes and has %d", headerSize, len(found))
		}
		return err
	})
}

// ExpectFileSize gathers how large the file is that the guest was saved in.
func ExpectFileSize(bounds record.Bounds) migration.Step {
	return onFile("expect file-size "+bounds.String(), "await saved", func(_ context.Context, p *migration.Pair) error {
		info, err := os.Stat(p.Path(streamFile))
		if err == nil {
			p.Measure("size of the file", float64(info.Size()), "bytes", bounds)
		}
		return err
	})
}

// ExpectFileClosed waits until no QEMU has the file open that the guest was saved in.
func ExpectFileClosed() migration.Step {
	return onFile("expect file-closed", "await saved", func(ctx context.Context, p *migration.Pair) error {
		file, err := os.Open(p.Path(streamFile))
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		return p.OnBoth(ctx, func(ctx context.Context, s *migration.Side) error {
			if err := s.Passed(file); err != nil {
				return err
			}
			return s.AwaitFDsClosed(ctx)
		})
	})
}

// onFile is a step about the file that wants another before it.
func onFile(name, wants string, run func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return migration.Step{Name: name, Wants: []string{wants}, Do: run}
}

package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/stream"
)

// A savedStream is a stream in a file, whose pages can be read.
type savedStream struct {
	*stream.Stream
	last map[string]map[uint64]stream.Page // of each block, by their addresses, as they were sent last
	file *os.File
}

func openSaved(path string) (*savedStream, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &savedStream{last: map[string]map[uint64]stream.Page{}, file: file}
	info, err := file.Stat()
	if err == nil {
		s.Stream, err = stream.ReadFile(file, info.Size(), stream.Options{Page: s.take})
	}
	if err != nil {
		s.close()
	}
	return s, err
}

func (s *savedStream) close() { _ = s.file.Close() }

func (s *savedStream) take(page stream.Page) error {
	if page.Kind != stream.ZeroPage && page.Kind != stream.NormalPage {
		return errors.New("it is neither a zero nor a normal page, with no capability that asks for that")
	}
	block := s.last[page.Block.Name]
	if block == nil {
		block = map[uint64]stream.Page{}
		s.last[page.Block.Name] = block
	}
	page.Data = nil
	block[page.Address] = page
	return nil
}

// has reports whether the stream has such a page of a block.
func (s *savedStream) has(block string, at uint64) bool {
	_, has := s.last[block][at]
	return has
}

// read is what a page of a block was in the end: zero where the stream has no such page.
func (s *savedStream) read(block string, at uint64, page []byte) error {
	sent := s.last[block][at]
	if sent.Kind == stream.NormalPage {
		_, err := s.file.ReadAt(page, sent.Offset)
		return err
	}
	return sent.Onto(page)
}

// block is the one of that size.
func (s *savedStream) block(size uint64) (*stream.Block, error) {
	at := slices.IndexFunc(s.RAM.Blocks, func(b *stream.Block) bool { return b.Length == size })
	if at < 0 {
		return nil, fmt.Errorf("no block of RAM in the stream has the %d bytes that the guest has", size)
	}
	return s.RAM.Blocks[at], nil
}

// compareWithSource holds the guest's RAM in a stream, which errors call what, against that
// of the source, which is paused: how many bytes were compared, and how many pages the
// stream leaves out. RAM that vCPUs don't see, as that under a PC's ROMs, is not compared.
func compareWithSource(ctx context.Context, p *migration.Pair, s *savedStream, what string) (compared uint64, absent int, err error) {
	block, err := s.block(p.RAMBytes())
	if err != nil {
		return 0, 0, err
	}
	source, err := ram.Open(ctx, p.Program, p.Source.VM)
	if err != nil {
		return 0, 0, err
	}
	defer source.Close()
	sent, wrong, first := make([]byte, ram.PageSize), 0, ""
	unread := source.Over(source.RAM(p.Program)).Walk(func(at uint64, pages [][]byte) {
		if at >= block.Length || err != nil {
			return
		}
		has := s.has(block.Name, at)
		if !has {
			absent++
		}
		err = s.read(block.Name, at, sent)
		compared += ram.PageSize
		if i := ram.FirstDifference(sent, pages[0]); i >= 0 && err == nil {
			if wrong++; wrong == 1 {
				first = fmt.Sprintf("at %#x the source has %#02x and the %s %#02x", at+uint64(i), pages[0][i], what, sent[i])
				if !has {
					first += ", for it has no such page"
				}
			}
		}
	})
	if err = errors.Join(unread, err); err == nil && wrong > 0 {
		err = fmt.Errorf("%d pages of the %s are not the stopped source's; the first: %s", wrong, what, first)
	}
	return compared, absent, err
}

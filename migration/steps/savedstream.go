package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/stream"
)

// A savedStream is a stream in a file, whose pages can be read.
type savedStream struct {
	*stream.File
	file *os.File
}

func openSaved(path string) (*savedStream, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &savedStream{file: file}
	info, err := file.Stat()
	if err == nil {
		s.File, err = stream.OpenFile(file, info.Size(), stream.Options{})
	}
	if err == nil && s.Description == nil {
		err = errors.New("the stream has no description of itself")
	}
	if err != nil {
		s.close()
	}
	return s, err
}

func (s *savedStream) close() { _ = s.file.Close() }

// block is the one that a machine calls so in its memory map: by its whole name, or by what
// is behind the last / or @ of it. Nil where there is none, or where that is not clear.
func (s *savedStream) block(name string) (found *stream.Block) {
	for _, b := range s.RAM.Blocks {
		switch {
		case b.Name == name:
			return b
		case b.Name[strings.LastIndexAny(b.Name, "/@")+1:] != name && !strings.HasSuffix(b.Name, "@"+name):
		case found != nil:
			return nil
		default:
			found = b
		}
	}
	return found
}

// compareWithSource holds the guest's RAM in a stream, which errors call what, against that
// of the source, which is paused: how many bytes were compared, and how many pages the
// stream leaves out. RAM that vCPUs don't see, as that under a PC's ROMs, is not compared.
func compareWithSource(ctx context.Context, p *migration.Pair, s *savedStream, what string) (compared uint64, absent int, err error) {
	source, err := ram.Open(ctx, p.Program, p.Source.VM)
	if err != nil {
		return 0, 0, err
	}
	defer source.Close()
	sent, wrong, first := make([]byte, ram.PageSize), 0, ""
	for _, region := range source.Regions() {
		block := s.block(region.Block)
		if block == nil || region.Offset%ram.PageSize != 0 {
			continue // what is left out is missing in what was compared
		}
		unread := source.Over([]fixtures.Range{region.Range}).Walk(func(at uint64, pages [][]byte) {
			in := region.At(at)
			if in >= block.Length || err != nil {
				return
			}
			has := s.Has(block.Name, in)
			if !has {
				absent++
			}
			err = s.ReadPage(block.Name, in, sent)
			compared += ram.PageSize
			if i := ram.FirstDifference(sent, pages[0]); i >= 0 && err == nil {
				if wrong++; wrong == 1 {
					first = fmt.Sprintf("at %#x, which is %#x of block %s, the source has %#02x and the %s %#02x", at+uint64(i), in+uint64(i), block.Name, pages[0][i], what, sent[i])
					if !has {
						first += ", for it has no such page"
					}
				}
			}
		})
		if err = errors.Join(unread, err); err != nil {
			return compared, absent, err
		}
	}
	if wrong > 0 {
		err = fmt.Errorf("%d pages of the %s are not the stopped source's; the first: %s", wrong, what, first)
	}
	return compared, absent, err
}

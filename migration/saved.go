package migration

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/drover-vm/drover/migration/stream"
)

// lastPages are the pages of each block as they were sent last, by their addresses.
type lastPages map[string]map[uint64]stream.Page

func (l lastPages) take(page stream.Page) error {
	if page.Kind != stream.ZeroPage && page.Kind != stream.NormalPage {
		return errors.New("it is neither zero nor whole, with no capability that asks for that")
	}
	block := l[page.Block.Name]
	if block == nil {
		block = map[uint64]stream.Page{}
		l[page.Block.Name] = block
	}
	page.Data = nil
	block[page.Address] = page
	return nil
}

// A saved is a stream in a file, whose pages can be read.
type saved struct {
	stream *stream.Stream
	last   lastPages
	file   *os.File
}

func openSaved(path string) (*saved, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &saved{last: lastPages{}, file: file}
	info, err := file.Stat()
	if err == nil {
		s.stream, err = stream.ReadFile(file, info.Size(), stream.Options{Page: s.last.take})
	}
	if err != nil {
		s.close()
	}
	return s, err
}

func (s *saved) close() { _ = s.file.Close() }

// read is what a page of a block was in the end.
func (s *saved) read(block string, at uint64, page []byte) error {
	sent := s.last[block][at]
	if sent.Kind == stream.NormalPage {
		_, err := s.file.ReadAt(page, sent.Offset)
		return err
	}
	return sent.Onto(page)
}

// compareBlocks holds every block of RAM that one stream has against the other's, those
// too that processors don't see, such as firmware's tables and RAM under a PC's ROMs.
func compareBlocks(source, destination *saved) error {
	one, other := make([]byte, pageSize), make([]byte, pageSize)
	for _, b := range source.stream.RAM.Blocks {
		same := slices.ContainsFunc(destination.stream.RAM.Blocks, func(o *stream.Block) bool { return o.Name == b.Name && o.Length == b.Length })
		if !same {
			return fmt.Errorf("the source sends %d bytes of RAM by the name of %s, and the destination does not", b.Length, b.Name)
		}
		for at := uint64(0); at < b.Length; at += pageSize {
			if err := errors.Join(source.read(b.Name, at, one), destination.read(b.Name, at, other)); err != nil {
				return err
			}
			if i := firstDifference(one, other); i >= 0 {
				return fmt.Errorf("at %#x of the RAM by the name of %s the source had %#02x, and the destination has %#02x", at+uint64(i), b.Name, one[i], other[i])
			}
		}
	}
	return nil
}

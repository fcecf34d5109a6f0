package launcher

import (
	"bytes"
	"context"
	"iter"
	"sort"
	"time"
)

// pieceLength is how exactly the times of a console are kept: what arrives
// within it counts as arrived together.
const pieceLength = time.Millisecond

// A piece is where in the console's bytes something arrived, and when.
type piece struct {
	place int64
	at    time.Time
}

// A Chunk is a part of what a guest wrote that arrived together.
type Chunk struct {
	Place int64     // of Bytes[0], in bytes since the guest's first
	Time  time.Time // when Bytes[0] arrived here; the rest did within a millisecond
	Bytes []byte    // the caller's own, never empty
}

// Next returns the place behind the chunk.
func (c Chunk) Next() int64 { return c.Place + int64(len(c.Bytes)) }

// Chunks returns what Since returns, in the parts in which it arrived.
func (c *Console) Chunks(from int64) []Chunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	var chunks []Chunk
	for place := max(from, c.dropped); place < c.dropped+int64(len(c.kept)); {
		chunk := c.chunkAt(place)
		chunks = append(chunks, chunk)
		place = chunk.Next()
	}
	return chunks
}

// Follow yields what the guest wrote from the place given on, and goes on with
// what it writes, as it comes. It ends after the first error, a *ConsoleError:
// the context or the console has ended, and all that came before was yielded.
// A reader that follows so slowly that the console had to forget what comes next finds
// out by the places: a chunk that doesn't begin where the last one ended.
func (c *Console) Follow(ctx context.Context, from int64) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		for place := from; ; {
			_, err := c.WaitFunc(ctx, place, "more", func(output []byte) (int, error) {
				return min(len(output), 1) - 1, nil
			})
			if err != nil {
				yield(Chunk{}, err)
				return
			}
			for _, chunk := range c.Chunks(place) {
				if !yield(chunk, nil) {
					return
				}
				place = chunk.Next()
			}
		}
	}
}

// chunkAt returns the chunk that begins at a place which is kept.
func (c *Console) chunkAt(place int64) Chunk {
	i := c.pieceAt(place)
	end := c.dropped + int64(len(c.kept))
	if i+1 < len(c.pieces) {
		end = c.pieces[i+1].place
	}
	return Chunk{Place: place, Time: c.pieces[i].at, Bytes: bytes.Clone(c.kept[place-c.dropped : end-c.dropped])}
}

// pieceAt returns the index of the piece that a place lies in.
func (c *Console) pieceAt(place int64) int {
	return sort.Search(len(c.pieces), func(i int) bool { return c.pieces[i].place > place }) - 1
}

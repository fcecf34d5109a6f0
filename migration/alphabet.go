package migration

import (
	"bytes"
	"fmt"

	"github.com/drover-vm/drover/fixtures"
)

// booted finds the end of the program's first heartbeat on a source's console,
// -1 where that has not come. The error is about a letter that the program
// doesn't have.
func booted(p fixtures.Program, said []byte) (int, error) {
	from := 0
	if p.Marker != 0 {
		if from = bytes.IndexByte(said, p.Marker) + 1; from == 0 {
			return -1, nil
		}
	}
	for i, letter := range said[from:] {
		switch {
		case letter == p.Heartbeat && i > 0:
			return from + i + 1, nil
		case letter != p.Hello || i > 0:
			return -1, fmt.Errorf("it is %q where the guest program says %q and then %q", letter, p.Hello, p.Heartbeat)
		}
	}
	return -1, nil
}

// heartbeats counts the heartbeats in what a program says that has booted, and
// returns the first few letters that are none.
func heartbeats(p fixtures.Program, said []byte) (count int, unexpected string) {
	count = bytes.Count(said, []byte{p.Heartbeat})
	other := bytes.ReplaceAll(said, []byte{p.Heartbeat}, nil)
	return count, string(other[:min(len(other), 32)])
}

package steps

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
)

// A guest learns from its VM generation ID that it may not be the only one of its past.
func generationIDVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name:    "expect generation-id",
			Doc:     "The guest finds the destination's VM generation ID where it had the source's (-device vmgenid, with another guid on each side), which is then put back, for all memory to be held against the source's.",
			Example: "expect generation-id", Step: do(ExpectGenerationID),
		},
	}
}

// ExpectGenerationID demands that a guest has the destination's VM generation ID where it had
// the source's (docs/specs/vmgenid.rst): QEMU writes it into the guest's memory when it has
// been loaded, where firmware has told QEMU on the source. It then puts the source's back.
func ExpectGenerationID() migration.Step {
	s := onDestination("expect generation-id", func(ctx context.Context, p *migration.Pair) error {
		source, destination, err := ofBoth(ctx, p, generationID)
		if err != nil {
			return err
		}
		if bytes.Equal(source, destination) {
			return fmt.Errorf("both sides have the VM generation ID % x; give them different ones", source)
		}
		both, err := ram.Open(ctx, p.Program, p.Source.VM, p.Destination.VM)
		if err != nil {
			return err
		}
		defer both.Close()
		var at uint64
		var found []byte
		err = both.Walk(func(page uint64, pages [][]byte) { // none lies across two of them
			if i := bytes.Index(pages[0], source); i >= 0 && found == nil {
				at, found = page+uint64(i), bytes.Clone(pages[1][i:i+len(source)])
			}
		})
		switch {
		case err != nil:
			return err
		case found == nil:
			return fmt.Errorf("% x is nowhere in the RAM of the guest on the source: its firmware has not asked for it", source)
		case !bytes.Equal(found, destination):
			return fmt.Errorf("the destination's VM generation ID is % x, and the guest has % x at %#x, where it had the source's, % x", destination, found, at, source)
		}
		return p.Destination.QTest().WriteMemory(ctx, at, source)
	})
	s.Wants = []string{awaitSwitchover}
	return s
}

// generationID is a side's as it is in the guest's memory: the first three of the numbers of
// its UUID are little-endian.
func generationID(ctx context.Context, s *migration.Side) ([]byte, error) {
	var answer struct{ GUID string }
	if err := s.QMP().Execute(ctx, "query-vm-generation-id", nil, &answer); err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(strings.ReplaceAll(answer.GUID, "-", ""))
	if err != nil || len(id) != 16 {
		return nil, fmt.Errorf("query-vm-generation-id: %q is no UUID", answer.GUID)
	}
	binary.LittleEndian.PutUint32(id, binary.BigEndian.Uint32(id))
	binary.LittleEndian.PutUint16(id[4:], binary.BigEndian.Uint16(id[4:]))
	binary.LittleEndian.PutUint16(id[6:], binary.BigEndian.Uint16(id[6:]))
	return id, nil
}

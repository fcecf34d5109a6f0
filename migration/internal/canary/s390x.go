package canary

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"
)

// s390x are the canaries of s390-ccw-virtio, which has no register that qtest reaches: the
// storage keys of pages, which the guest program has set itself when it has booted.
func s390x() []Canary {
	return []Canary{
		storageKey(0x2000, 0x50),
		storageKey(1<<20, 0xa0),
		storageKey(100<<20, 0x30),
	}
}

// storageKey is the key of a page, without the bits that say whether the page was read and
// written.
func storageKey(page uint64, key uint32) Canary {
	return Canary{
		Device: fmt.Sprintf("the storage key of the page at %#x", page), Value: key, mask: 0xf8,
		get: func(ctx context.Context, vm VM) (uint32, error) {
			text, err := qapi.HumanMonitor(ctx, vm.QMP(), fmt.Sprintf("info skeys %#x", page))
			if err != nil {
				return 0, err
			}
			_, digits, found := strings.Cut(text, "key: 0x")
			if !found {
				return 0, nil // a guest without keys has them all 0
			}
			value, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 8)
			return uint32(value), err
		},
	}
}

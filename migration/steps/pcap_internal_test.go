package steps

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// anARP is an ARP packet of a sender with that last byte of its address, about another.
func anARP(etherType uint16, sender, target byte) []byte {
	p := binary.BigEndian.AppendUint16(make([]byte, 12), etherType)
	p = append(p, 0, 1, 8, 0, 6, 4, 0, 1)
	p = append(append(p, 0x52, 0x54, 0, 0xd7, 1, 1), 10, 77, 0, sender)
	return append(append(p, make([]byte, 6)...), 10, 77, 0, target)
}

func TestOnlyWhatAsksForItsOwnSenderIsAnAnnouncement(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.pcap")
	none, err := dumped(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Empty(t, none)
	file := make([]byte, 24)
	for i, p := range [][]byte{anARP(0x0806, 2, 1), anARP(0x8035, 0, 0), anARP(0x0806, 2, 2), anARP(0x0806, 2, 2)[:30], {1}} {
		for _, n := range []int{7, i * 1000, len(p), len(p)} {
			file = binary.LittleEndian.AppendUint32(file, uint32(n))
		}
		file = append(file, p...)
	}
	for cut := range file { // as it is found while QEMU writes it
		require.NoError(t, os.WriteFile(path, file[:cut], 0o600))
		_, err := dumped(path)
		require.NoError(t, err)
	}
	require.NoError(t, os.WriteFile(path, file, 0o600))
	all, err := dumped(path)
	require.NoError(t, err)
	require.Len(t, all, 5)
	require.Equal(t, []time.Duration{7*time.Second + time.Millisecond}, announcements(all))
	came := gratuitous(all)
	require.Len(t, came, 1)
	require.Equal(t, 7*time.Second+2*time.Millisecond, came[0].at)
}

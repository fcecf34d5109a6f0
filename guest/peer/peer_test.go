package peer

import (
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// aFrame is an ARP request of a guest with that last byte of its MAC address.
func aFrame(guest byte) []byte {
	mac := []byte{0x52, 0x54, 0, 0xd7, 1, guest}
	f := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac...)
	f = append(f, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	f = append(append(f, mac...), 10, 77, 0, 2)
	return append(append(f, 0, 0, 0, 0, 0, 0), 10, 77, 0, 1)
}

func sendFrame(t *testing.T, c net.Conn, frame []byte) {
	t.Helper()
	_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	require.NoError(t, err)
}

func nextFrame(t *testing.T, c net.Conn) []byte {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	var head [4]byte
	_, err := io.ReadFull(c, head[:])
	require.NoError(t, err)
	frame := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err = io.ReadFull(c, frame)
	require.NoError(t, err)
	return frame
}

func aPeer(t *testing.T) (p *Peer, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "net")
	p, err := Listen(path, [4]byte{10, 77, 0, 1})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p, path
}

func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestFramesGoToWhoeverSpokeLast: the guest is where its last frame came from.
func TestFramesGoToWhoeverSpokeLast(t *testing.T) {
	_, path := aPeer(t)
	source, destination := dial(t, path), dial(t, path)
	for range 2 {
		for _, c := range []net.Conn{source, destination} {
			sendFrame(t, c, aFrame(7))
			reply := nextFrame(t, c)
			require.Equal(t, []byte(mac), reply[6:12], "the host's MAC address")
			require.Equal(t, []byte{0x52, 0x54, 0, 0xd7, 1, 7}, reply[:6])
			require.Equal(t, []byte{8, 6}, reply[12:14], "ARP")
			require.Equal(t, []byte{0, 2}, reply[20:22], "a reply")
		}
	}
	require.NoError(t, source.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err := source.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout", "nothing was sent to both")
}

// TestWhatIsNoFrameEndsAPort, and no other.
func TestWhatIsNoFrameEndsAPort(t *testing.T) {
	_, path := aPeer(t)
	bad, good := dial(t, path), dial(t, path)
	_, err := bad.Write([]byte{0xff, 0xff, 0xff, 0xff, 1})
	require.NoError(t, err)
	_, err = bad.Read(make([]byte, 1))
	require.Error(t, err)
	sendFrame(t, good, []byte{1, 2, 3}) // too short
	sendFrame(t, good, nil)
	sendFrame(t, good, aFrame(8))
	nextFrame(t, good)
}

func TestAPathThatIsTakenIsRefused(t *testing.T) {
	_, path := aPeer(t)
	_, err := Listen(path, [4]byte{10, 77, 0, 1})
	require.ErrorContains(t, err, path)
}

func TestWhatConnectsGetsItsOwnBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "echo")
	e, err := ListenEcho(path)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	a, b := dial(t, path), dial(t, path)
	for _, c := range []struct {
		conn net.Conn
		text string
	}{{a, "one"}, {b, "two"}, {a, "three"}} {
		_, err := c.conn.Write([]byte(c.text))
		require.NoError(t, err)
		found := make([]byte, len(c.text))
		_, err = io.ReadFull(c.conn, found)
		require.NoError(t, err)
		require.Equal(t, c.text, string(found))
	}
	_, err = ListenEcho(path)
	require.ErrorContains(t, err, path)
}

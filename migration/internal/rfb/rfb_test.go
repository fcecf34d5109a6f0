package rfb

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// A peer says what a server does, and hears nothing.
type peer struct{ *bytes.Reader }

func (peer) Write(b []byte) (int, error) { return len(b), nil }

const greeting = "RFB 003.008\n" + "\x00\x00\x00\x01" + "\x02\x80\x01\xe0" + "sixteen bytes  ." + "\x00\x00\x00\x04QEMU"

func saying(text string) peer { return peer{bytes.NewReader([]byte(text))} }

func TestAPointerHasItsPixelsWhereItsMaskIs(t *testing.T) {
	p, err := pointer(saying(greeting + "\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x02\x00\x01\xff\xff\xff\x11" + "\x03\x02\x01\x00\x06\x05\x04\xff" + "\x40"))
	require.NoError(t, err)
	require.Equal(t, Picture{2, 1, []uint32{Clear, 0x040506}}, p)
}

func TestAServerWithoutAPointerShowsThePicture(t *testing.T) {
	p, err := pointer(saying(greeting + "\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00"))
	require.NoError(t, err)
	require.Empty(t, p.Pixels)
}

func TestAServerThatDoesNotSpeakSo(t *testing.T) {
	for text, expected := range map[string]string{
		"RFB":                                 "EOF",
		"RFB 003.008\n\x00\x00\x00\x02":       "security type 2, expected 1: none",
		greeting + "\x02" + "123456789012345": "message is 2",
		greeting + "\x00\x00\x00\x01" + "\x00\x00\x00\x00\xff\xff\x00\x01\xff\xff\xff\x11": "65535 to 1 pixels",
	} {
		_, err := pointer(saying(text))
		require.ErrorContains(t, err, expected)
	}
}

package migration

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPictureIsReadAsQEMUWritesIt(t *testing.T) {
	width, height, pixels, err := parsePPM([]byte("P6\n2 1\n255\n\x01\x02\x03\x04\x05\x06"))
	require.NoError(t, err)
	require.Equal(t, 2, width)
	require.Equal(t, 1, height)
	require.Equal(t, []byte{1, 2, 3, 4, 5, 6}, pixels)
	for name, text := range map[string]string{
		"nothing":         "",
		"another format":  "P3\n2 1\n255\n123456",
		"cut off":         "P6\n2 1\n255\n123",
		"no pixels":       "P6\n0 1\n255\n",
		"too many pixels": "P6\n2000000000 2000000000\n255\n",
		"negative":        "P6\n-1 -1\n255\n123",
		"16 bits":         "P6\n1 1\n65535\n123456",
		"no header's end": string(bytes.Repeat([]byte("P6\n1 "), 20)),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := parsePPM([]byte(text))
			require.Error(t, err)
		})
	}
}

package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest/wire"
)

func line(t *testing.T, n uint64, text string) wire.Line {
	t.Helper()
	l, err := wire.New(n, 5*time.Second, wire.SaysComplaint, wire.Complaint{Worker: "memory", Text: text})
	require.NoError(t, err)
	return l
}

func TestALineIsReadAsItWasSent(t *testing.T) {
	want := line(t, 7, "page 3: \"drover1 \" and\na line break")
	got, err := wire.Parse([]byte(strings.TrimSuffix(string(want.Append(nil)), "\n")))
	require.NoError(t, err)
	require.Equal(t, want, got)
	var c wire.Complaint
	require.NoError(t, got.Into(&c))
	require.Equal(t, "memory", c.Worker)
}

func TestALineThatIsChangedIsDamaged(t *testing.T) {
	text := strings.TrimSuffix(string(line(t, 1, "x").Append(nil)), "\n")
	for i := range text {
		changed := []byte(text)
		changed[i] ^= 1
		_, err := wire.Parse(changed)
		require.Error(t, err, "byte %d", i)
		_, err = wire.Parse([]byte(text[:i]))
		require.Error(t, err, "%d bytes", i)
	}
}

func TestLinesAreFoundAmongOtherOutput(t *testing.T) {
	one, two := string(line(t, 1, "one").Append(nil)), string(line(t, 2, "two").Append(nil))
	for _, c := range []struct {
		name, text string
		want       []uint64
		damaged    int
		rest       string
	}{
		{"nothing", "", nil, 0, ""},
		{"two", one + two, []uint64{1, 2}, 0, ""},
		{"with carriage returns", strings.ReplaceAll(one+two, "\n", "\r\n"), []uint64{1, 2}, 0, ""},
		{"between a kernel's messages", "[ 1.0] a\n" + one + "[ 2.0] b\n" + two, []uint64{1, 2}, 0, ""},
		{"behind a message without an end", "[ 1.0] a" + one, []uint64{1}, 0, ""},
		{"one is cut short by another", one[:20] + two, []uint64{2}, 1, ""},
		{"one is cut short by a message", one[:20] + "[ 2.0] b\n" + two, []uint64{2}, 1, ""},
		{"half of one", one + two[:20], []uint64{1}, 0, two[:20]},
		{"the beginning of its first word", one + "dro", []uint64{1}, 0, "dro"},
		{"longer than any", "drover1 " + strings.Repeat("x", wire.MaxLine) + "\n" + two, []uint64{2}, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines, damaged, rest := wire.Cut([]byte(c.text))
			var got []uint64
			for _, l := range lines {
				got = append(got, l.Sequence)
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.damaged, damaged)
			require.Equal(t, c.rest, strings.Trim(string(rest), "\n"))
		})
	}
}

func FuzzCut(f *testing.F) {
	f.Add([]byte("drover1 1 2 beat {} 00000000\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, damaged, rest := wire.Cut(text)
		require.LessOrEqual(t, len(rest), len(text))
		require.LessOrEqual(t, len(lines)+damaged, len(text))
		for _, l := range lines {
			again, err := wire.Parse([]byte(strings.TrimSuffix(string(l.Append(nil)), "\n")))
			require.NoError(t, err)
			require.Equal(t, l, again)
		}
	})
}

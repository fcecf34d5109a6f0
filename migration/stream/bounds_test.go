package stream_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// waysOfReading are from a file, and from front to back in pieces of some sizes.
func waysOfReading() map[string]func(b []byte) (*stream.Stream, stream.Work, error) {
	from := func(reader func(b []byte) io.Reader) func(b []byte) (*stream.Stream, stream.Work, error) {
		return func(b []byte) (*stream.Stream, stream.Work, error) {
			return stream.ReadWork(reader(b), stream.Options{})
		}
	}
	return map[string]func(b []byte) (*stream.Stream, stream.Work, error){
		"a file":                func(b []byte) (*stream.Stream, stream.Work, error) { return stream.ReadFileWork(b, stream.Options{}) },
		"a pipe":                from(func(b []byte) io.Reader { return bytes.NewReader(b) }),
		"a pipe that dribbles":  from(func(b []byte) io.Reader { return &dribble{b, 14} }),
		"a pipe in many pieces": from(func(b []byte) io.Reader { return &dribble{b, 5000} }),
	}
}

// A dribble gives a few bytes at once.
type dribble struct {
	b []byte
	n int
}

func (d *dribble) Read(to []byte) (int, error) {
	if len(d.b) == 0 {
		return 0, io.EOF
	}
	n := copy(to[:min(d.n, len(to))], d.b)
	d.b = d.b[n:]
	return n, nil
}

// spent reads a stream and says what that took: bytes allocated, whether or not they were
// freed again, and bytes that were looked at.
func spent(b []byte, read func(b []byte) (*stream.Stream, stream.Work, error)) (allocated, looked int64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, work, _ := read(b)
	s.Check()
	s.Remarks()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc), work.All()
}

// TestTimeAndMemoryAreLinear holds the package's bounds: of any stream of N bytes no more
// than 64 N bytes are allocated, in all and not at once, and no more than 16 N are read,
// moved or searched, beside what a small stream takes; and three times the length takes
// no more than a good three times as much. Those lengths are more and less than what is
// read at once.
func TestTimeAndMemoryAreLinear(t *testing.T) {
	const (
		small       = 3 << 20 // allocated for any stream
		smallLooked = 1 << 20
	)
	for name, make := range hostile() {
		t.Run(name, func(t *testing.T) {
			for way, read := range waysOfReading() {
				var allocated, looked [2]int64
				for i, n := range []int{150_000, 450_000} {
					b := make(n)
					allocated[i], looked[i] = spent(b, read)
					require.LessOrEqual(t, allocated[i], small+64*int64(len(b)), "allocated for %d bytes from %s", len(b), way)
					require.LessOrEqual(t, looked[i], smallLooked+16*int64(len(b)), "looked at for %d bytes from %s", len(b), way)
				}
				require.LessOrEqual(t, allocated[1], small+4*allocated[0], "allocated, from %s", way)
				require.LessOrEqual(t, looked[1], smallLooked+4*looked[0], "looked at, from %s", way)
			}
		})
	}
}

// TestWhatIsKeptHasLimits beside the length of the stream.
func TestWhatIsKeptHasLimits(t *testing.T) {
	s, err := readFile(hostile()["commands"](5_000_000), stream.Options{})
	require.NoError(t, err)
	require.Len(t, s.Commands, 1<<16)
	require.EqualValues(t, 1_000_000-1<<16, s.MoreCommands)

	_, err = readFile(hostile()["blocks"](2_000_000), stream.Options{})
	require.ErrorContains(t, err, "more than 65536 blocks of RAM")
	_, err = readFile(hostile()["capabilities"](1000), stream.Options{})
	require.ErrorContains(t, err, "4294967295 capabilities, more than the 256 that are read")

	s, err = readFile(hostile()["structs in arrays"](2_000_000), stream.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Check())
	require.Len(t, s.Remarks(), 1)
	require.Contains(t, s.Remarks()[0].What, "more than 262144 fields")
	require.LessOrEqual(t, countFields(s.Sections[0].Fields), 1<<18+1)

	s, err = readFile(hostile()["devices described"](1000), stream.Options{})
	require.NoError(t, err)
	require.Len(t, s.Check(), 1)
	require.Contains(t, s.Check()[0].What, "it has more parts than its length allows")
}

func countFields(all []stream.Field) int {
	n := len(all)
	for _, f := range all {
		n += countFields(f.Fields)
	}
	return n
}

// TestClaimsCostNoMemory: a stream may say of anything that it is huge.
func TestClaimsCostNoMemory(t *testing.T) {
	blocks := build()
	blocks.section(1, 9, "ram", 4, func() {
		blocks.u64(1<<62 | 4).name("pc.ram").u64(1 << 62)
		for n := range 1000 {
			blocks.page(n<<40, 0x02).u8(0)
		}
	})
	array := build()
	array.section(4, 3, "lamp", 1, func() { array.u8(1) })
	mapped := build().machine("x").capabilities("mapped-ram")
	mapped.section(1, 9, "ram", 4, func() {
		mapped.u64(1<<62 | 4).name("pc.ram").u64(1 << 62).u32(1).u64(4096).u64(200).u64(1 << 40)
	})
	for name, b := range map[string][]byte{
		"RAM":                blocks.end(""),
		"mapped RAM":         mapped.end(""),
		"an array":           array.end(`{"devices": [{"name": "lamp", "vmsd_name": "x", "fields": [{"name": "a", "type": "uint8", "array_len": 4294967295, "size": 255}]}]}`),
		"an array of arrays": array.end(`{"devices": [{"name": "lamp", "vmsd_name": "x", "fields": [{"name": "a", "array_len": 4294967295, "size": 0, "struct": {"fields": [{"name": "a", "array_len": 4294967295, "size": 0}]}}]}]}`),
		"the description":    build().u8(0).u8(6).u32(0xffffffff).b,
		"a package":          build().u8(8).u16(7).u16(4).u32(0xffffffff).b,
		"the machine":        build().u8(7).u32(0xffffffff).b,
		"capabilities":       build().machine("x").u8(5).name("configuration/capabilities").u32(1).u32(0xffffffff).b,
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s, _ := readFile(b, stream.Options{})
			s.Check()
			_, _ = stream.Read(bytes.NewReader(b), stream.Options{})
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
		})
	}
}

// TestWhatIsLookedForIsBounded: a section that never ends is not kept for ever.
func TestWhatIsLookedForIsBounded(t *testing.T) {
	b := build()
	b.u8(1).u32(1).name("dirty-bitmap").u32(0).u32(1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := stream.Read(io.MultiReader(bytes.NewReader(b.b), endless{}), stream.Options{})
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "no end of a section within 67108864 bytes at byte 34, in section 1 (dirty-bitmap)")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512<<20))
}

// endless is a reader of zeros.
type endless struct{}

func (endless) Read(b []byte) (int, error) { clear(b); return len(b), nil }

package stream_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/stream"
)

// recorded is a stream of a real QEMU (testdata/README.md).
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/streams/" + name + ".gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	return b
}

// recordings are the names of all of them.
func recordings(t testing.TB) (names []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/streams/*.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".gz"))
	}
	return names
}

func readFile(b []byte, o stream.Options) (*stream.Stream, error) {
	return stream.ReadFile(bytes.NewReader(b), int64(len(b)), o)
}

// versions are those whose QEMU sent the same machine, with a dozen of devices.
func versions() []string { return []string{"5.2", "7.2", "10.0", "11.1"} }

func TestEveryVersionsStreamIsReadToItsLastByte(t *testing.T) {
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			b := recorded(t, version)
			s, err := readFile(b, stream.Options{})
			require.NoError(t, err)
			require.Empty(t, s.Check())
			require.True(t, s.Ended)
			require.EqualValues(t, len(b), s.Size)
			require.Equal(t, "pc-i440fx-"+version, s.Configuration.Machine)
			require.Equal(t, "12345678-9abc-def0-1234-56789abcdef0", s.Configuration.UUID)

			devices := 0
			for _, section := range s.Sections {
				if !section.Live {
					devices++
					require.NotNil(t, section.Fields, section)
					require.EqualValues(t, section.Size, size(section.Fields), section)
				}
			}
			require.Len(t, s.Description.Devices, devices)
			require.GreaterOrEqual(t, devices, 40)
		})
	}
}

func size(fields []stream.Field) (sum int64) {
	for _, f := range fields {
		sum += f.Size
	}
	return sum
}

func TestDevicesAreTakenApartIntoTheirFields(t *testing.T) {
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			s, err := readFile(recorded(t, version), stream.Options{})
			require.NoError(t, err)
			for _, want := range []struct {
				device   string
				instance uint32
				path     string
				value    uint64
			}{
				{"cpu", 0, "env.eip", 0xfff0},
				{"cpu", 0, "env.segs/env.segs[1]/base", 0xffff0000},
				{"apic", 0, "apicbase", 0xfee00900},
				{"apic", 1, "id", 1},
				{"apic", 1, "apic_sipi/wait_for_sipi", 1},
				{"i8259", 0, "irq_base", 0},
			} {
				d := s.Device(want.device, want.instance)
				require.NotNil(t, d, want.device)
				f := d.Field(want.path)
				require.NotNil(t, f, "%s %s", want.device, want.path)
				have, ok := f.Uint()
				require.True(t, ok)
				require.Equal(t, want.value, have, "%s %s", want.device, want.path)
			}
		})
	}
}

// TestBothWaysOfReadingSeeTheSame: the one that knows the end first, and the one
// that gets the stream in pieces of any size.
func TestBothWaysOfReadingSeeTheSame(t *testing.T) {
	for _, name := range append(versions(), "7.2-postcopy", "11.1-postcopy", "11.1-multifd", "10.0-ignore-shared") {
		t.Run(name, func(t *testing.T) {
			b := recorded(t, name)
			whole, err := readFile(b, stream.Options{})
			require.NoError(t, err)
			for _, r := range []io.Reader{
				bytes.NewReader(b), iotest.OneByteReader(bytes.NewReader(b)), iotest.HalfReader(bytes.NewReader(b)), iotest.DataErrReader(bytes.NewReader(b)),
			} {
				pieces, err := stream.Read(r, stream.Options{})
				require.NoError(t, err)
				require.Equal(t, whole, pieces)
			}
		})
	}
}

func TestAStreamMayStandBehindSomething(t *testing.T) {
	b := recorded(t, "10.0")
	behind := append(bytes.Repeat([]byte("header\n\x06"), 512), b...)
	for _, read := range []func() (*stream.Stream, error){
		func() (*stream.Stream, error) { return readFile(behind, stream.Options{Offset: 4096}) },
		func() (*stream.Stream, error) {
			return stream.Read(bytes.NewReader(behind), stream.Options{Offset: 4096})
		},
	} {
		s, err := read()
		require.NoError(t, err)
		require.Empty(t, s.Check())
		require.EqualValues(t, len(b), s.Size)
		require.Equal(t, []byte("\xff"), behind[s.Device("apic", 0).Field("spurious_vec").Offset+3:][:1])
	}
}

func TestPostcopyHasItsDevicesInAPackage(t *testing.T) {
	for _, name := range []string{"7.2-postcopy", "11.1-postcopy"} {
		t.Run(name, func(t *testing.T) {
			s, err := readFile(recorded(t, name), stream.Options{})
			require.NoError(t, err)
			require.Empty(t, s.Check())
			require.True(t, s.Postcopy())
			require.Nil(t, s.Description)
			cpu := s.Device("cpu", 0)
			require.True(t, cpu.Packaged)
			require.EqualValues(t, 1851, cpu.Size)
			require.False(t, s.Device("ram", 0).Packaged)
			var said []string
			for _, c := range s.Commands {
				said = append(said, c.String())
			}
			require.Subset(t, said, []string{"open-return-path", "postcopy-advise", "postcopy-ram-discard", "packaged", "postcopy-listen", "postcopy-run"})
		})
	}
}

func TestMappedRAMIsReadWhereverItStands(t *testing.T) {
	b := recorded(t, "11.1-mapped-ram")
	pages := map[string][]byte{}
	s, err := readFile(b, stream.Options{Page: func(p stream.Page) error {
		if p.Block.Name == "/rom@etc/acpi/rsdp" {
			require.Equal(t, b[p.Offset:p.Offset+4096], p.Data)
		}
		pages[fmt.Sprintf("%s %#x", p.Block.Name, p.Address)] = bytes.Clone(p.Data)
		return nil
	}})
	require.NoError(t, err)
	require.Empty(t, s.Check())
	require.Equal(t, []string{"mapped-ram"}, s.Configuration.Capabilities)
	require.True(t, s.RAM.Mapped)
	require.EqualValues(t, 4, s.RAM.Normal)
	require.Len(t, pages, 4)
	require.Equal(t, "RSD PTR ", string(pages["/rom@etc/acpi/rsdp 0x0"][:8]))

	_, err = stream.Read(bytes.NewReader(b), stream.Options{})
	require.ErrorContains(t, err, "from a file only")
}

func TestWhatIsSharedIsNotMissed(t *testing.T) {
	s, err := readFile(recorded(t, "10.0-ignore-shared"), stream.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Check())
	require.Equal(t, []string{"x-ignore-shared"}, s.Configuration.Capabilities)
	for _, b := range s.RAM.Blocks {
		require.NotNil(t, b.Address)
		require.Equal(t, b.Name == "m", b.Sent == 0, b.Name)
	}
}

func TestChannelsOfTheirOwnLeaveMarks(t *testing.T) {
	s, err := readFile(recorded(t, "11.1-multifd"), stream.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Check())
	require.True(t, s.Multifd())
	require.Zero(t, s.RAM.All())
}

func TestAPageThatIsNotTakenEndsTheReading(t *testing.T) {
	enough := errors.New("enough")
	n := 0
	_, err := readFile(recorded(t, "7.2"), stream.Options{Page: func(stream.Page) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	}})
	require.ErrorIs(t, err, enough)
	require.Equal(t, 3, n)
}

func TestAReadersErrorIsHandedOn(t *testing.T) {
	broken := errors.New("unplugged")
	b := recorded(t, "7.2")
	_, err := stream.Read(io.MultiReader(bytes.NewReader(b[:5000]), iotest.ErrReader(broken)), stream.Options{})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "byte 5000, in section 2 (ram)")
	_, err = stream.Read(bytes.NewReader(b), stream.Options{PageSize: 1000})
	require.ErrorContains(t, err, "page size of 1000")
}

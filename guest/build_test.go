package guest

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// aModule is an ELF file with a section .modinfo, as a kernel's module has it.
func aModule(t *testing.T, info ...string) []byte {
	t.Helper()
	const names = "\x00.modinfo\x00.shstrtab\x00"
	text := strings.Join(info, "\x00") + "\x00"
	var out bytes.Buffer
	head := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64, Shentsize: 64, Shnum: 3, Shstrndx: 2,
		Shoff: uint64(64 + len(text) + len(names)),
	}
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: 64, Size: uint64(len(text))},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(64 + len(text)), Size: uint64(len(names))},
	}
	require.NoError(t, binary.Write(&out, binary.LittleEndian, head))
	out.WriteString(text + names)
	require.NoError(t, binary.Write(&out, binary.LittleEndian, sections))
	return out.Bytes()
}

func write(t *testing.T, folder, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, text, 0o644))
	return path
}

func compressed(t *testing.T, text []byte, by func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := by(&out)
	require.NoError(t, err)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// someModules is a folder in which virtio_console needs two others, one compressed.
func someModules(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	toXZ := func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }
	toGzip := func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }
	write(t, folder, "6.1/kernel/drivers/char/virtio_console.ko", aModule(t, "license=GPL", "depends=virtio,virtio-ring"))
	write(t, folder, "6.1/kernel/drivers/virtio/virtio-ring.ko.xz", compressed(t, aModule(t, "depends=virtio"), toXZ))
	write(t, folder, "6.1/kernel/drivers/virtio/virtio.ko.gz", compressed(t, aModule(t, "depends="), toGzip))
	write(t, folder, "6.1/kernel/broken.ko", []byte("no ELF"))
	write(t, folder, "6.1/kernel/other.ko.zst", []byte("?"))
	write(t, folder, "6.1/modules.builtin", []byte("kernel/drivers/virtio/virtio_pci.ko\n"))
	return folder
}

func TestModulesComeWithWhatTheyNeed(t *testing.T) {
	m, err := openModules(someModules(t))
	require.NoError(t, err)
	all, err := m.closure([]string{"virtio_pci", "virtio-console", "virtio"})
	require.NoError(t, err)
	var names []string
	for _, found := range all {
		names = append(names, found.name)
		require.True(t, bytes.HasPrefix(found.image, []byte("\x7fELF")), "%s is unpacked", found.name)
	}
	require.Equal(t, []string{"virtio", "virtio_ring", "virtio_console"}, names, "what is built in is left out")

	for name, want := range map[string]string{
		"virtio_gpu": "the kernel has no module virtio_gpu",
		"broken":     "broken.ko",
		"other":      "unpack it",
	} {
		_, err := m.closure([]string{name})
		require.ErrorContains(t, err, want)
	}
	none, err := openModules("")
	require.NoError(t, err)
	_, err = none.closure([]string{"virtio"})
	require.ErrorContains(t, err, "--modules")
}

func TestAGuestIsBuiltOnceAndHasWhatItNeeds(t *testing.T) {
	if _, err := goTool(); err != nil {
		t.Skip(err)
	}
	modules := someModules(t)
	kernel := write(t, t.TempDir(), "vmlinuz", []byte("a kernel"))
	s := Spec{Arch: "x86_64", Kernel: kernel, Modules: modules, CPUs: 2, Options: []string{"memory=8"}, Cache: t.TempDir()}
	image, err := Build(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, []string{"-smp", "2"}, image.Args)
	require.Equal(t, "console=ttyS0 quiet panic=-1 rdinit=/init no_timer_check drover.workers="+strings.Join(image.Workers, ",")+" drover.port=drover.0 drover.memory=8", image.Append)

	archive, err := os.Open(image.Initrd)
	require.NoError(t, err)
	defer archive.Close()
	files := map[string][]byte{}
	for r := cpio.NewReader(archive); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		files[head.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
	require.Equal(t, "virtio\nvirtio_ring\nvirtio_console\n", string(files["modules/list"]))
	program, err := elf.NewFile(bytes.NewReader(files["init"]))
	require.NoError(t, err)
	libraries, err := program.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries, "it is static")

	before, err := os.Stat(image.Initrd)
	require.NoError(t, err)
	again, err := Build(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, image.Initrd, again.Initrd)
	after, err := os.Stat(again.Initrd)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "it is not made again")

	idle := s
	idle.Idle, idle.Options = true, nil
	without, err := Build(t.Context(), idle)
	require.NoError(t, err)
	require.Equal(t, image.Initrd, without.Initrd)
	require.Empty(t, without.Workers)
	require.Contains(t, without.Append, " drover.workers= ")

	s.Console = true
	console, err := Build(t.Context(), s)
	require.NoError(t, err)
	require.NotEqual(t, image.Initrd, console.Initrd)
	require.NotContains(t, console.Append, "drover.port")
}

func TestWhatKeepsAGuestFromBeingBuiltIsNamed(t *testing.T) {
	kernel := write(t, t.TempDir(), "vmlinuz", []byte("a kernel"))
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"no such target":            {Spec{Arch: "pdp11", Kernel: kernel}, "x86_64"},
		"no such device":            {Spec{Arch: "x86_64", Kernel: kernel, Devices: []string{"floppy"}}, "virtio-rng"},
		"no such device is plugged": {Spec{Arch: "x86_64", Kernel: kernel, Plugged: []string{"floppy"}}, "virtio-rng"},
		"two devices of a worker":   {Spec{Arch: "x86_64", Kernel: kernel, Devices: []string{"virtio-scsi"}, Plugged: []string{"virtio-blk"}}, "virtio-blk can't be plugged: its worker block"},
		"no such kernel":            {Spec{Arch: "x86_64", Kernel: kernel + "x"}, "vmlinuzx"},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Cache = t.TempDir()
			_, err := Build(t.Context(), c.spec)
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("no toolchain", func(t *testing.T) {
		if exists("/usr/local/go/bin/go") || exists("/usr/lib/go/bin/go") {
			require.Contains(t, (&ToolchainError{os.ErrNotExist}).Error(), "install Go")
			return
		}
		t.Setenv("PATH", t.TempDir())
		t.Setenv("GOROOT", "")
		_, err := Build(t.Context(), Spec{Arch: "x86_64", Kernel: kernel, Cache: t.TempDir()})
		var none *ToolchainError
		require.ErrorAs(t, err, &none)
	})
}

// TestWhatIsPluggedHasRoomAndAWorkerThatWaits: nothing of it is on the command line.
func TestWhatIsPluggedHasRoomAndAWorkerThatWaits(t *testing.T) {
	if _, err := goTool(); err != nil {
		t.Skip(err)
	}
	kernel := write(t, t.TempDir(), "vmlinuz", []byte("a kernel"))
	image, err := Build(t.Context(), Spec{
		Arch: "x86_64", Kernel: kernel, Modules: someModules(t), CPUs: 2, Cache: t.TempDir(), Plugged: []string{VCPU, "pc-dimm", VCPU},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"-smp", "2,maxcpus=4", "-m", "slots=1,maxmem=1G"}, image.Args)
	require.Equal(t, []string{"dimm"}, image.Later)
	require.Contains(t, image.Workers, "dimm")
	require.Contains(t, image.Append, " drover.later=dimm ")
	require.Contains(t, image.Append, " drover.dimm-devices=pc-dimm")
	require.NotContains(t, strings.Join(image.QEMUArgs(&Resources{}), " "), "guest-dimm")
	for _, name := range PluggableNames() {
		require.True(t, name == VCPU || slices.Contains(DeviceNames(), name), name)
	}
}

// TestEveryWorkerHasItsFile: so that nobody has to search for it.
func TestEveryWorkerHasItsFile(t *testing.T) {
	names := Workers(Devices())
	require.Contains(t, names, "memory")
	for _, name := range names {
		_, err := sources.ReadFile("init/worker_" + name + ".go")
		require.NoError(t, err)
	}
}

func TestEveryDeviceIsDocumented(t *testing.T) {
	for _, d := range Devices() {
		require.NotEmpty(t, d.Doc, d.Name)
		require.NotEmpty(t, d.Args(&Resources{Dir: t.TempDir()}), d.Name)
	}
}

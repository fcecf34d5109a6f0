package migration

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/stream"
)

func analyze() []Scenario { return []Scenario{analyzeScript} }

var analyzeScript = Scenario{
	Name: "analyze-script",
	Doc:  "into a file that is read here: it says truly what is in it, it has every device and the stopped source's RAM, and a destination takes it",
	Story: Steps{
		unhurried(), Set(MaxBandwidth, 1*GB),
		Boot(), Save(), AwaitPass(1),
		atAnyDowntime(), AwaitSaved(), AnalyzeStream(),
		LoadSaved(), AwaitSwitchover(),
	},
}

// Save begins to send the guest into the file: by its name where the source can, else
// by a descriptor.
func Save() Step {
	return Step{Name: "save into a file", Phase: record.PhasePasses, Do: func(ctx context.Context, p *Pair) error {
		named, err := p.Source.opensFiles(ctx)
		if err != nil {
			return err
		}
		if named {
			return MigrateIntoFile(0).Do(ctx, p)
		}
		return MigrateIntoLentFile().Do(ctx, p)
	}}
}

// LoadSaved makes the destination read the file, as Save wrote it.
func LoadSaved() Step {
	return Step{Name: "load the file", Do: func(ctx context.Context, p *Pair) error {
		named, err := p.Destination.opensFiles(ctx)
		if err != nil {
			return err
		}
		if named {
			return p.listen(ctx, "file:"+p.path(streamFile))
		}
		return LoadLentFile().Do(ctx, p)
	}}
}

func (s *Side) opensFiles(ctx context.Context) (bool, error) {
	err := s.needSchema(ctx, FileTransport)
	if _, missing := errors.AsType[*MissingError](err); missing {
		return false, nil
	}
	return err == nil, err
}

// AnalyzeStream demands that the file is a whole stream that says truly what is in it;
// that this is what the source says of itself, its machine, its devices and what it
// has sent; and that the pages in it make up the memory of the source, which has stopped.
func AnalyzeStream() Step {
	return Step{Name: "analyze the stream", Do: func(ctx context.Context, p *Pair) error {
		saved, err := openSaved(p.path(streamFile))
		if err != nil {
			return err
		}
		defer saved.close()
		s := saved.stream
		if problems := s.Check(); len(problems) > 0 {
			return fmt.Errorf("%d problems in the stream; the first: %s", len(problems), problems[0])
		}
		return errors.Join(p.seeSender(ctx, s), seeSections(s), p.seeDevices(ctx, s), p.seePagesSent(ctx, s), p.seePages(ctx, saved))
	}}
}

// seeSender demands that the stream names the source's machine.
func (p *Pair) seeSender(ctx context.Context, s *stream.Stream) error {
	var kind string
	where := map[string]any{"path": "/machine", "property": "type"}
	if err := p.Source.QMP().Execute(ctx, "qom-get", where, &kind); err != nil {
		return err
	}
	if machine := strings.TrimSuffix(kind, "-machine"); s.Configuration.Machine != machine {
		return fmt.Errorf("the stream says that it is of the machine %q, and the source's is %q", s.Configuration.Machine, machine)
	}
	return nil
}

// deviceLine is a line of "info qtree" that begins a device.
var deviceLine = regexp.MustCompile(`(?m)^\s*dev: ([^,]+), id `)

// sentIfRead is the state of a device that is sent only when the guest has read from
// it, which ours doesn't (hw/i2c/smbus_eeprom.c in QEMU).
const sentIfRead = "smbus-eeprom"

// seeDevices demands that the stream has a section for each device in the source's
// tree whose type has a state to send, and for each processor.
func (p *Pair) seeDevices(ctx context.Context, s *stream.Stream) error {
	text, err := probe.VMState(ctx, p.Source.Binary(), s.Configuration.Machine)
	if err != nil {
		return err
	}
	types, err := preflight.ParseTypes(text)
	if err != nil {
		return err
	}
	tree, err := qapi.HumanMonitor(ctx, p.Source.QMP(), "info qtree")
	if err != nil {
		return err
	}
	processors, err := qapi.QueryCPUsFast(ctx, p.Source.QMP())
	if err != nil {
		return err
	}
	want := map[string]int{"cpu_common": len(processors)}
	for _, found := range deviceLine.FindAllStringSubmatch(tree, -1) {
		if state, sent := types[found[1]]; sent && state.Name != sentIfRead {
			want[state.Name]++
		}
	}
	have := map[string]int{}
	for _, d := range s.Description.Devices {
		have[d.State]++
	}
	all := 0
	for state, n := range want {
		if all += n; have[state] < n {
			err = errors.Join(err, fmt.Errorf("the source has %d devices with the state %q, and the stream has %d of them", n, state, have[state]))
		}
	}
	p.measure("devices of the source's tree in the stream", float64(all), "devices", record.AtLeast(1))
	return err
}

// blockListSize is more than the list of RAM's blocks takes, which are a dozen at most.
const blockListSize = 1024

// seePagesSent gathers by how much what the source counted is other than what is there.
func (p *Pair) seePagesSent(ctx context.Context, s *stream.Stream) error {
	info, err := qapi.QueryMigrate(ctx, p.Source.QMP())
	if err == nil && info.RAM == nil {
		err = errors.New("the source's query-migrate says nothing of RAM")
	}
	if err != nil {
		return err
	}
	p.measure("whole pages in the stream beyond those that the source counts", float64(s.RAM.Normal)-float64(info.RAM.Normal), "pages", record.Exactly(0))
	p.measure("zero pages in the stream beyond those that the source counts", float64(s.RAM.Zero)-float64(info.RAM.Duplicate), "pages", record.Exactly(0))
	ram := s.Device("ram", 0)
	if ram == nil {
		return errors.New("the stream has no section of RAM")
	}
	// QEMU 5.2 and 7.2 count pages, 10.0 and 11.1 every byte.
	most := float64(s.Size-ram.Size) + blockListSize
	p.measure("bytes of the stream beyond those that the source counts", float64(s.Size)-float64(info.RAM.Transferred), "bytes", record.Between(0, most))
	return nil
}

// seePages demands that the stream's pages are those of the source's memory. RAM that
// processors don't see, as that under a PC's ROMs, is left out.
func (p *Pair) seePages(ctx context.Context, sent *saved) error {
	memory, err := p.Source.Memory(ctx)
	if err != nil {
		return err
	}
	want := uint64(p.Program.MemoryMiB) << 20
	blocks := sent.stream.RAM.Blocks
	at := slices.IndexFunc(blocks, func(b *stream.Block) bool { return b.Length == want })
	if at < 0 {
		return fmt.Errorf("no block of RAM in the stream has the %d bytes that the guest has", want)
	}
	ranges := memory.RAM()
	if len(ranges) == 0 {
		ranges = []fixtures.Range{p.Program.Workload()}
	}
	block := blocks[at].Name
	compared, err := comparePages(memory, ranges, want, func(at uint64, page []byte) error { return sent.read(block, at, page) })
	p.measure("RAM of the source held against the stream", float64(compared)/float64(want), "of all RAM", record.AtLeast(0.9))
	return err
}

// comparePages holds what the ranges have, up to an address, against pages that come
// from somewhere else.
func comparePages(memory *launcher.Memory, ranges []fixtures.Range, end uint64, read func(at uint64, page []byte) error) (compared uint64, err error) {
	have, wrong, first := make([]byte, pageSize), 0, ""
	unread := memories{[]*launcher.Memory{memory}, ranges}.walk(func(at uint64, pages [][]byte) {
		if at >= end || err != nil {
			return
		}
		err = read(at, have)
		compared += pageSize
		if i := firstDifference(have, pages[0]); i >= 0 && err == nil {
			if wrong++; wrong == 1 {
				first = fmt.Sprintf("at %#x the source has %#02x and the stream %#02x", at+uint64(i), pages[0][i], have[i])
			}
		}
	})
	if err = errors.Join(unread, err); err == nil && wrong > 0 {
		err = fmt.Errorf("%d pages of the stream are not the stopped source's; the first: %s", wrong, first)
	}
	return compared, err
}

package steps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/stream"
)

// savedAgain is the file that the destination's state goes into.
const savedAgain = "stream-again"

// ExpectEqualDevices holds what the source sent of each device, field by field, against
// what a destination whose guest has not run yet sends of it. A field that either
// doesn't load is then what it is on a fresh machine. What is not sent at all is not
// seen. Two different QEMUs are left out.
func ExpectEqualDevices() migration.Step {
	expect := onFile("expect equal-devices", "await saved", func(ctx context.Context, p *migration.Pair) error {
		return each(p, migration.DestinationName, func(d *migration.Side) error { return expectEqualDevices(ctx, p, d) })
	})
	expect.Wants = append(expect.Wants, "await arrival")
	return expect
}

func expectEqualDevices(ctx context.Context, p *migration.Pair, destination *migration.Side) error {
	if p.Source.Facts.Version != destination.Facts.Version {
		return nil // what two QEMUs may send differently isn't known well enough
	}
	if err := saveAgain(ctx, p, destination); err != nil {
		return err
	}
	sent, err := openSaved(p.Path(streamFile))
	if err != nil {
		return fmt.Errorf("what the source sent: %w", err)
	}
	defer sent.close()
	has, err := openSaved(p.Path(savedAgain))
	if err != nil {
		return fmt.Errorf("what the destination sends: %w", err)
	}
	defer has.close()
	compared, err := compareDevices(sent.Stream, has.Stream)
	p.Measure("fields of devices held against the source's", float64(compared), "fields", record.AtLeast(1))
	if err != nil {
		return err
	}
	return compareBlocks(sent, has)
}

// saveAgain lets the destination send its guest into a file. Its events are switched
// off for that: they are of no migration that the steps make.
func saveAgain(ctx context.Context, p *migration.Pair, s *migration.Side) error {
	f, err := os.OpenFile(p.Path(savedAgain), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	uri := "fd:" + fdName
	if named, asked := s.HasSchema(ctx, fileTransport); named {
		uri = "file:" + f.Name()
		err = f.Close()
	} else {
		err = errors.Join(asked, s.PassFD(ctx, fdName, f))
	}
	if err != nil {
		return err
	}
	if err := qapi.SetMigrateCapabilities(ctx, s.QMP(), map[string]bool{string(qapi.CapEvents): false}); err != nil {
		return err
	}
	if err := qapi.SetMigrateParameters(ctx, s.QMP(), map[string]any{string(qapi.ParamMaxBandwidth): int64(10 * GB)}); err != nil {
		return err
	}
	if err := qapi.Migrate(ctx, s.QMP(), qapi.MigrateArguments{URI: uri}); err != nil {
		return err
	}
	return migration.Poll(ctx, "the destination to have saved its guest", func() (bool, error) {
		info, err := qapi.QueryMigrate(ctx, s.QMP())
		if err == nil && info.Status == qapi.MigrationFailed {
			err = errors.New("the destination can't save the guest that it took: " + info.ErrorDesc)
		}
		return err == nil && info.Status == qapi.MigrationCompleted, err
	})
}

// compareBlocks holds every block of RAM that one stream has against the other's, those
// too that vCPUs don't see, such as firmware's tables and RAM under a PC's ROMs.
func compareBlocks(source, destination *savedStream) error {
	one, other := make([]byte, ram.PageSize), make([]byte, ram.PageSize)
	for _, b := range source.RAM.Blocks {
		same := false
		for _, o := range destination.RAM.Blocks {
			same = same || o.Name == b.Name && o.Length == b.Length
		}
		if !same {
			return fmt.Errorf("the source sends %d bytes of RAM by the name of %s, and the destination does not", b.Length, b.Name)
		}
		if b.Sent == 0 {
			continue // it is shared, and stays where it is
		}
		for at := uint64(0); at < b.Length; at += ram.PageSize {
			if err := errors.Join(source.ReadPage(b.Name, at, one), destination.ReadPage(b.Name, at, other)); err != nil {
				return err
			}
			if i := ram.FirstDifference(one, other); i >= 0 {
				return fmt.Errorf("at %#x of the RAM by the name of %s the source had %#02x, and the destination has %#02x", at+uint64(i), b.Name, one[i], other[i])
			}
		}
	}
	return nil
}

// maxNamed is how many of the differences an error names.
const maxNamed = 5

// A deviceComparison gathers the differences of two streams.
type deviceComparison struct {
	compared  int
	different []string
}

func compareDevices(source, destination *stream.Stream) (compared int, err error) {
	c := deviceComparison{}
	for _, sent := range source.Sections {
		has := destination.Device(sent.Name, sent.Instance)
		switch {
		case has == nil:
			c.lacks(sent.String(), migration.SourceName, migration.DestinationName)
		case sent.Live:
		case sent.Version != has.Version:
			c.note(fmt.Sprintf("the source sends version %d of %s, and the destination %d", sent.Version, sent, has.Version))
		case sent.Fields == nil || has.Fields == nil:
			c.compared++
			if !bytes.Equal(sent.Data, has.Data) {
				c.note(fmt.Sprintf("the device %s%s", sent.Name, differ(withoutFields(sent), withoutFields(has))))
			}
		default:
			c.fields(sent.Name, "", sent.Fields, has.Fields)
		}
	}
	for _, has := range destination.Sections {
		if source.Device(has.Name, has.Instance) == nil {
			c.lacks(has.String(), migration.DestinationName, migration.SourceName)
		}
	}
	if len(c.different) > 0 {
		err = fmt.Errorf("%d fields of devices did not arrive: %s", len(c.different), strings.Join(c.different[:min(len(c.different), maxNamed)], "; "))
	}
	return c.compared, err
}

func (c *deviceComparison) note(difference string) { c.different = append(c.different, difference) }

func (c *deviceComparison) lacks(what, one, other string) {
	c.note(fmt.Sprintf("the %s sends %s, and the %s does not", one, what, other))
}

// fields compares those of a struct. Names may come more than once, in the same order
// on both sides.
func (c *deviceComparison) fields(device, path string, source, destination []stream.Field) {
	left := map[string][]stream.Field{}
	for _, f := range destination {
		left[f.Name] = append(left[f.Name], f)
	}
	for _, sent := range source {
		name := path + sent.Name
		same := left[sent.Name]
		if len(same) == 0 {
			c.lacks(fmt.Sprintf("the field %s of the device %s", name, device), migration.SourceName, migration.DestinationName)
			continue
		}
		has := same[0]
		left[sent.Name] = same[1:]
		switch {
		case sent.Fields != nil && has.Fields != nil:
			c.fields(device, name+"/", sent.Fields, has.Fields)
		default:
			c.compared++
			if !equalFields(device, name, sent.Data, has.Data) {
				c.note(fmt.Sprintf("the device %s, field %s%s", device, name, differ(sent, has)))
			}
		}
	}
	for name, more := range left {
		if len(more) > 0 {
			c.lacks(fmt.Sprintf("the field %s%s of the device %s", path, name, device), migration.DestinationName, migration.SourceName)
		}
	}
}

// shown is how many bytes of a long field are in a message.
const shown = 16

// withoutFields is a device whose stream does not say what its bytes are, as one field.
func withoutFields(d *stream.Section) stream.Field {
	return stream.Field{Data: d.Data, Value: fmt.Sprintf("%x", d.Data)}
}

// differ says how a field differs. Of one that has more than fits, the first bytes that do.
func differ(source, destination stream.Field) string {
	if max(len(source.Data), len(destination.Data)) <= shown {
		return fmt.Sprintf(": the source had %s, the destination has %s", source.Value, destination.Value)
	}
	at := 0
	for at < min(len(source.Data), len(destination.Data)) && source.Data[at] == destination.Data[at] {
		at++
	}
	from := func(f stream.Field) string { return fmt.Sprintf("%x", f.Data[at:min(at+shown, len(f.Data))]) }
	return fmt.Sprintf(", from byte %#x on: the source had %s, the destination has %s (%d and %d bytes in all)", at, from(source), from(destination), len(source.Data), len(destination.Data))
}

// clockBytes are those of the CMOS that the clock itself writes: the time up to byte 9,
// and the bits that report its updates in bytes 10 and 12.
const clockBytes = 13

// equalFields reports whether a field has the same value in both.
func equalFields(device, path string, source, destination []byte) bool {
	if device+"/"+path == "mc146818rtc/cmos_data" && min(len(source), len(destination)) > clockBytes {
		source, destination = source[clockBytes:], destination[clockBytes:]
	}
	return notCompared(device, path) || bytes.Equal(source, destination) || equalBits(notComparedBits(device, path), source, destination)
}

// notComparedBits are those that may differ in a field that is a number.
func notComparedBits(device, path string) uint64 {
	switch device + "/" + path {
	case "cpu_common/interrupt_request":
		return 1 << 2 // TCG's note to leave the translated code, which a target may make when it loads
	case "cpu/env.msr":
		return 1 << 12 // ME of ppc64, a register that "expect equal-registers" looks at
	}
	return 0
}

// equalBits says whether two big-endian numbers are the same but for some bits.
func equalBits(but uint64, source, destination []byte) bool {
	if but == 0 || len(source) != len(destination) || len(source) > 8 {
		return false
	}
	var one, other uint64
	for i := range source {
		one, other = one<<8|uint64(source[i]), other<<8|uint64(destination[i])
	}
	return one&^but == other&^but
}

// notCompared is what says of the sender, or of when it was sent, by device and path.
func notCompared(device, path string) bool {
	switch device + "/" + path {
	case "globalstate/runstate", "globalstate/size":
		return true // the guest ran when it left, and has not run yet where it arrived
	case "spapr/tb/guest_timebase", "spapr/tb/time_of_the_day_ns":
		return true // when it was sent
	case "s390-skeys/data":
		return true // storage keys are sent once there are any, and a destination has some, all 0
	case "pl031/tick_offset_vmstate":
		return true // from the host's clock to the guest's, which stands while the guest is paused
	case "mc146818rtc/last_update", "mc146818rtc/update_timer", "mc146818rtc/next_alarm_time":
		return true // the clock is the host's, and goes on while the guest is paused
	}
	// These are taken over for a request to the disk that is to be tried again only
	// (hw/ide/pci.c, ide_bmdma_post_load).
	return strings.Contains(path, "/migration_retry_")
}

package migration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/stream"
)

// savedAgain is the file that the destination's state goes into.
const savedAgain = "stream-again"

// clockBytes are those of the CMOS that the clock itself writes: the time up to byte 9,
// and the bits that tell of its updates in bytes 10 and 12.
const clockBytes = 13

// notCompared is what says of the sender, or of when it was sent, by device and path.
func notCompared(device, path string) bool {
	switch device + "/" + path {
	case "globalstate/runstate", "globalstate/size":
		return true // the guest ran when it left, and has not run yet where it arrived
	case "mc146818rtc/last_update", "mc146818rtc/update_timer", "mc146818rtc/next_alarm_time":
		return true // the clock is the host's, and goes on while the guest stands
	}
	// It is taken over for a request to the disk that is to be tried again only
	// (hw/ide/pci.c, ide_bmdma_post_load).
	return strings.HasSuffix(path, "/migration_retry_sector_num")
}

// equalFields says whether a field has the same value in both.
func equalFields(device, path string, source, destination []byte) bool {
	if device+"/"+path == "mc146818rtc/cmos_data" && min(len(source), len(destination)) > clockBytes {
		source, destination = source[clockBytes:], destination[clockBytes:]
	}
	return notCompared(device, path) || bytes.Equal(source, destination)
}

// CompareDevices holds what the source sent of each device, field by field, against
// what a destination whose guest has not run yet sends of it. A field that either
// doesn't load is then what it is on a fresh machine. What is not sent at all is not
// seen. Two different QEMUs are left out.
func CompareDevices() Step {
	return Step{Name: "compare the devices", Do: func(ctx context.Context, p *Pair) error {
		if p.Source.Facts.Version != p.Destination.Facts.Version {
			return nil // what two QEMUs may tell differently isn't known well enough
		}
		if err := p.saveAgain(ctx); err != nil {
			return err
		}
		sent, err := openSaved(p.path(streamFile))
		if err != nil {
			return fmt.Errorf("what the source sent: %w", err)
		}
		defer sent.close()
		has, err := openSaved(p.path(savedAgain))
		if err != nil {
			return fmt.Errorf("what the destination sends: %w", err)
		}
		defer has.close()
		compared, err := compareDevices(sent.stream, has.stream)
		p.measure("fields of devices held against the source's", float64(compared), "fields", record.AtLeast(1))
		if err != nil {
			return err
		}
		return compareBlocks(sent, has)
	}}
}

// saveAgain lets the destination send its guest into a file. Its events are switched
// off for that: they are of no migration that the story tells.
func (p *Pair) saveAgain(ctx context.Context) error {
	f, err := os.OpenFile(p.path(savedAgain), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	s := p.Destination
	uri := "fd:" + lentName
	named := s.needSchema(ctx, FileTransport) == nil
	if named {
		uri = "file:" + f.Name()
		err = f.Close()
	} else {
		err = s.lend(ctx, f)
	}
	if err != nil {
		return err
	}
	off := []map[string]any{{"capability": "events", "state": false}}
	if err := s.tell(ctx, "migrate-set-capabilities", map[string]any{"capabilities": off}); err != nil {
		return err
	}
	if err := s.tell(ctx, "migrate-set-parameters", map[string]any{"max-bandwidth": int64(10 * GB)}); err != nil {
		return err
	}
	if err := s.tell(ctx, "migrate", map[string]any{"uri": uri}); err != nil {
		return err
	}
	return poll(ctx, "the destination to have saved its guest", func() (bool, error) {
		info, err := qapi.QueryMigrate(ctx, s.QMP())
		if err == nil && info.Status == qapi.MigrationFailed {
			err = errors.New("the destination can't save the guest that it took: " + info.ErrorDesc)
		}
		return err == nil && info.Status == qapi.MigrationCompleted, err
	})
}

// maxNamed is how many of the differences an error tells.
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
			c.lacks(sent.String(), "source", "destination")
		case sent.Live:
		case sent.Version != has.Version:
			c.note(fmt.Sprintf("the source sends version %d of %s, and the destination %d", sent.Version, sent, has.Version))
		case sent.Fields == nil || has.Fields == nil:
			c.compared++
			if !bytes.Equal(sent.Data, has.Data) {
				c.note(fmt.Sprintf("the device %s: the source had %x, the destination has %x", sent.Name, sent.Data, has.Data))
			}
		default:
			c.fields(sent.Name, "", sent.Fields, has.Fields)
		}
	}
	for _, has := range destination.Sections {
		if source.Device(has.Name, has.Instance) == nil {
			c.lacks(has.String(), "destination", "source")
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
			c.lacks(fmt.Sprintf("the field %s of the device %s", name, device), "source", "destination")
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
				c.note(fmt.Sprintf("the device %s, field %s: the source had %s, the destination has %s", device, name, sent.Value, has.Value))
			}
		}
	}
	for name, more := range left {
		if len(more) > 0 {
			c.lacks(fmt.Sprintf("the field %s%s of the device %s", path, name, device), "destination", "source")
		}
	}
}

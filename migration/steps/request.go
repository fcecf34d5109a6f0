package steps

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/protocol/qtest"
)

// A disk's request that is under way when the guest moves: the legacy registers of a
// virtio-blk with the id of requestDisk, as a driver uses them (virtio 1.0, 4.1.4.8), its
// queue, and the request, in memory that the guest program leaves alone.
const (
	requestDisk = "failing"

	queuePFN, queueSize, queueSelect, queueNotify, deviceStatus = 0x08, 0x0c, 0x0e, 0x10, 0x12

	requestAt     = 105 << 20
	mostQueue     = 1024
	requestHeader = requestAt + 64<<10 // behind the rings of such a queue
	requestData   = requestHeader + 4096
	requestStatus = requestData + 4096

	requestSector = 7
	sectorSize    = 512
	notWritten    = 0xee // what the data and the status are before the device writes them
)

// sendFailingRequest has the source's disk read a sector, which fails there, and stops the
// guest.
func sendFailingRequest(ctx context.Context, p *migration.Pair) error {
	port, err := ioPort(ctx, p.Source, requestDisk)
	if err != nil {
		return err
	}
	q := p.Source.QTest()
	if err := q.Outb(ctx, port+deviceStatus, 0); err != nil { // a reset: the firmware has used it
		return err
	}
	if err := q.Outb(ctx, port+deviceStatus, 1|2); err != nil { // there is a driver
		return err
	}
	if err := q.Outw(ctx, port+queueSelect, 0); err != nil {
		return err
	}
	size, err := q.Inw(ctx, port+queueSize)
	if err != nil {
		return err
	}
	if err := q.Outl(ctx, port+queuePFN, requestAt/4096); err != nil {
		return err
	}
	if err := q.Outb(ctx, port+deviceStatus, 1|2|4); err != nil { // and it is ready
		return err
	}
	if size == 0 || size > mostQueue {
		return fmt.Errorf("the disk %s has a queue of %d, expected at most %d", requestDisk, size, mostQueue)
	}
	if err := writeRequest(ctx, q, int(size)); err != nil {
		return err
	}
	return q.Outw(ctx, port+queueNotify, 0)
}

// usedRing is where the used ring of a queue of that size is: at the next page behind the
// available ring.
func usedRing(size int) uint64 {
	end := requestAt + 16*size + 6 + 2*size
	return uint64(end+4095) &^ 4095
}

func writeRequest(ctx context.Context, q *qtest.Session, size int) error {
	const next, written = 1, 2
	var descriptors []byte
	for i, d := range []struct {
		at     uint64
		length uint32
		flags  uint16
	}{{requestHeader, 16, next}, {requestData, sectorSize, next | written}, {requestStatus, 1, written}} {
		descriptors = binary.LittleEndian.AppendUint64(descriptors, d.at)
		descriptors = binary.LittleEndian.AppendUint32(descriptors, d.length)
		descriptors = binary.LittleEndian.AppendUint16(descriptors, d.flags)
		descriptors = binary.LittleEndian.AppendUint16(descriptors, uint16(i+1))
	}
	header := binary.LittleEndian.AppendUint64(make([]byte, 8), requestSector) // type 0: read
	available := []byte{0, 0, 1, 0, 0, 0}                                      // one entry: the chain that begins with 0
	for at, content := range map[uint64][]byte{
		requestAt: descriptors, requestAt + uint64(16*size): available, requestHeader: header,
		requestData: bytes.Repeat([]byte{notWritten}, sectorSize), requestStatus: {notWritten},
	} {
		if err := q.WriteMemory(ctx, at, content); err != nil {
			return err
		}
	}
	return nil
}

// ExpectRequestCompleted demands that the destination's disk has done what the source's could
// not, and takes back what it wrote to the guest's memory, which is compared.
func ExpectRequestCompleted() migration.Step {
	expect := onDestination("expect request-completed", func(ctx context.Context, p *migration.Pair) error {
		q := p.Destination.QTest()
		port, err := ioPort(ctx, p.Destination, requestDisk)
		if err != nil {
			return err
		}
		size, err := q.Inw(ctx, port+queueSize)
		if err != nil {
			return err
		}
		used, done := usedRing(int(size)), make([]byte, 12)
		err = migration.Poll(ctx, "the disk's request to complete on the destination", func() (bool, error) {
			err := q.ReadMemory(ctx, used, done)
			return binary.LittleEndian.Uint16(done[2:]) != 0, err
		})
		if err != nil {
			return fmt.Errorf("the request that failed on the source was sent with the guest: %w", err)
		}
		data := make([]byte, sectorSize)
		if err := q.ReadMemory(ctx, requestData, data); err != nil {
			return err
		}
		status, err := q.Readb(ctx, requestStatus)
		if err != nil {
			return err
		}
		switch index, length := binary.LittleEndian.Uint16(done[2:]), binary.LittleEndian.Uint32(done[8:]); {
		case index != 1:
			return fmt.Errorf("the destination's disk has completed %d requests, expected the one that failed on the source", index)
		case status != 0:
			return fmt.Errorf("the request that failed on the source has the status %#x on the destination, expected 0", status)
		case length != sectorSize+1 || bytes.IndexByte(data, notWritten) >= 0:
			return fmt.Errorf("the destination's disk has written %d bytes, expected a sector and the status; the sector begins with % x", length, data[:8])
		}
		for at, content := range map[uint64][]byte{
			used: make([]byte, 12), requestData: bytes.Repeat([]byte{notWritten}, sectorSize), requestStatus: {notWritten},
		} {
			if err := q.WriteMemory(ctx, at, content); err != nil {
				return err
			}
		}
		return nil
	})
	expect.Wants = []string{"enter", "destination: cont"}
	return expect
}

// ioPort is where a side's PCI device with that id has its ports.
func ioPort(ctx context.Context, s *migration.Side, id string) (uint16, error) {
	devices, err := s.PCIDevices(ctx)
	if err != nil {
		return 0, err
	}
	for _, d := range devices {
		for _, r := range d.Regions {
			if d.ID == id && r.Type == "io" && r.Address > 0 && r.Address < 1<<16 {
				return uint16(r.Address), nil
			}
		}
	}
	return 0, fmt.Errorf("the %s has no PCI device %q with ports, which its firmware has placed: give both sides one (source args, destination args)", s.Name(), id)
}

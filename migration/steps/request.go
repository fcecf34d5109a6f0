package steps

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/protocol/qtest"
)

// A disk's request that is under way when the guest moves: the legacy registers of the virtio-blk
// or virtio-scsi with the id of requestDisk, as a driver uses them (virtio 1.0, 4.1.4.8), its
// queue, and the request, in memory that the guest program leaves alone.
const (
	requestDisk = "failing"

	queuePFN, queueSize, queueSelect, queueNotify, deviceStatus = 0x08, 0x0c, 0x0e, 0x10, 0x12

	requestAt     = 105 << 20
	leastQueue    = 2 * chainLength
	mostQueue     = 1024
	requestHeader = requestAt + 64<<10 // behind the rings of such a queue
	requestData   = requestHeader + 4096
	requestReply  = requestData + 4096
	requestRoom   = 256 // for the header of each, and for its reply

	requestSector = 7
	sectorSize    = 512
	notWritten    = 0xee // what the data and the reply are before the device writes them
	chainLength   = 3    // at most, of a request's descriptors
)

// A diskKind is how a driver has a kind of disk read a sector.
type diskKind struct {
	queue    uint16   // the first for requests
	requests [][]byte // the last reads the sector, and those before have no data
	reply    int      // how long that is
	status   int      // where in it is what is 0 when all went well
	dataLast bool
}

// diskKinds are the kinds, by their PCI device.
func diskKinds() map[int]diskKind {
	const testUnitReady, read10 = 0x00, 0x28
	command := func(bytes ...byte) []byte { // to the first target's first unit (virtio 1.0, 5.6.6.1)
		return append(append(append([]byte{1}, make([]byte, 7+8+3)...), bytes...), make([]byte, 32-len(bytes))...)
	}
	return map[int]diskKind{
		0x1001: {reply: 1, requests: [][]byte{binary.LittleEndian.AppendUint64(make([]byte, 8), requestSector)}}, // type 0: read
		0x1004: {
			queue: 2, reply: 108, status: 10, dataLast: true,
			requests: [][]byte{
				command(testUnitReady), // the answer is that there was a reset
				command(read10, 0, 0, 0, 0, requestSector, 0, 0, 1),
			},
		},
	}
}

// A diskQueue is the queue for requests of a side's disk.
type diskQueue struct {
	*qtest.Session
	diskKind
	port uint16
	size int
}

// requestQueue is the queue of a side's disk, which has to be opened.
func requestQueue(ctx context.Context, s *migration.Side) (*diskQueue, error) {
	port, device, err := ioPort(ctx, s, requestDisk)
	if err != nil {
		return nil, err
	}
	kind, ok := diskKinds()[device]
	if !ok {
		return nil, fmt.Errorf("the PCI device %s of the %s is %#x, expected a virtio-blk or a virtio-scsi with disable-modern=on", requestDisk, s.Name(), device)
	}
	return &diskQueue{s.QTest(), kind, port, 0}, nil
}

// open selects the last of the disk's queues in its registers, and asks how long it is: a request
// that arrives in another queue than its own is seen where that is not the first.
func (q *diskQueue) open(ctx context.Context) error {
	size, err := q.choose(ctx, q.queue)
	for more := size; err == nil && more > 0; {
		size, q.queue = more, q.queue+1
		more, err = q.choose(ctx, q.queue)
	}
	if err != nil {
		return err
	}
	if size < leastQueue || size > mostQueue {
		return fmt.Errorf("the disk %s has a queue of %d, expected %d to %d", requestDisk, size, leastQueue, mostQueue)
	}
	q.queue--
	q.size = int(size)
	_, err = q.choose(ctx, q.queue)
	return err
}

// choose selects a queue, and returns how long it is; 0 is one that there isn't.
func (q *diskQueue) choose(ctx context.Context, number uint16) (size uint16, err error) {
	if err := q.Outw(ctx, q.port+queueSelect, number); err != nil {
		return 0, err
	}
	return q.Inw(ctx, q.port+queueSize)
}

// sendFailingRequest has the source's disk read a sector, which fails there, and stops the
// guest.
func sendFailingRequest(ctx context.Context, p *migration.Pair) error {
	q, err := requestQueue(ctx, p.Source)
	if err != nil {
		return err
	}
	if err := q.Outb(ctx, q.port+deviceStatus, 0); err != nil { // a reset: the firmware has used it
		return err
	}
	if err := q.Outb(ctx, q.port+deviceStatus, 1|2); err != nil { // there is a driver
		return err
	}
	if err := q.open(ctx); err != nil {
		return err
	}
	if err := q.Outl(ctx, q.port+queuePFN, requestAt/4096); err != nil {
		return err
	}
	if err := q.Outb(ctx, q.port+deviceStatus, 1|2|4); err != nil { // and it is ready
		return err
	}
	for n := range q.last() {
		if err := q.send(ctx, n); err != nil {
			return err
		}
		if _, err := q.await(ctx, n); err != nil {
			return fmt.Errorf("before the request that is to fail: %w", err)
		}
	}
	return q.send(ctx, q.last())
}

// last is which of the requests reads the sector.
func (q *diskQueue) last() int { return len(q.requests) - 1 }

// used is where the used ring is, at the next page behind the available ring, and entry where
// its n-th entry is.
func (q *diskQueue) used() uint64 {
	end := requestAt + 16*q.size + 6 + 2*q.size
	return uint64(end+4095) &^ 4095
}

func (q *diskQueue) entry(n int) uint64 { return q.used() + 4 + 8*uint64(n) }

// await waits until the n-th request has been completed, and returns how many have.
func (q *diskQueue) await(ctx context.Context, n int) (done uint16, err error) {
	err = migration.Poll(ctx, "the disk's request to complete", func() (bool, error) {
		var err error
		done, err = q.Readw(ctx, q.used()+2)
		return int(done) > n, err
	})
	return done, err
}

// send puts the n-th request into the queue.
func (q *diskQueue) send(ctx context.Context, n int) error {
	const next, written = 1, 2
	type part struct {
		at     uint64
		length int
		flags  uint16
	}
	reply := part{replyOf(n), q.reply, written}
	chain := []part{{requestHeader + uint64(n)*requestRoom, len(q.requests[n]), 0}, reply}
	if n == q.last() {
		at := len(chain) - 1
		if q.dataLast {
			at = len(chain)
		}
		chain = slices.Insert(chain, at, part{requestData, sectorSize, written})
	}
	var descriptors []byte
	for i, d := range chain {
		if i < len(chain)-1 {
			d.flags |= next
		}
		descriptors = binary.LittleEndian.AppendUint64(descriptors, d.at)
		descriptors = binary.LittleEndian.AppendUint32(descriptors, uint32(d.length))
		descriptors = binary.LittleEndian.AppendUint16(descriptors, d.flags)
		descriptors = binary.LittleEndian.AppendUint16(descriptors, uint16(n*chainLength+i+1))
	}
	available := uint64(requestAt + 16*q.size)
	for _, w := range []struct {
		at      uint64
		content []byte
	}{
		{requestAt + uint64(16*n*chainLength), descriptors},
		{chain[0].at, q.requests[n]},
		{requestData, bytes.Repeat([]byte{notWritten}, sectorSize)},
		{reply.at, bytes.Repeat([]byte{notWritten}, q.reply)},
		{available + 4 + 2*uint64(n), binary.LittleEndian.AppendUint16(nil, uint16(n*chainLength))},
		{available, []byte{0, 0, byte(n + 1), 0}},
	} {
		if err := q.WriteMemory(ctx, w.at, w.content); err != nil {
			return err
		}
	}
	return q.Outw(ctx, q.port+queueNotify, q.queue)
}

// replyOf is where the reply to the n-th request is.
func replyOf(n int) uint64 { return requestReply + uint64(n)*requestRoom }

// ExpectRequestCompleted demands that the destination's disk has done what the source's could
// not, and takes back what it wrote to the guest's memory, which is compared.
func ExpectRequestCompleted() migration.Step {
	expect := onDestination("expect request-completed", func(ctx context.Context, p *migration.Pair) error {
		q, err := requestQueue(ctx, p.Destination)
		if err != nil {
			return err
		}
		if err := q.open(ctx); err != nil {
			return err
		}
		n := q.last()
		requests, err := q.await(ctx, n)
		if err != nil {
			return fmt.Errorf("on the destination; the request that failed on the source was sent with the guest: %w", err)
		}
		done, data, reply := make([]byte, 8), make([]byte, sectorSize), make([]byte, q.reply)
		for at, part := range map[uint64][]byte{q.entry(n): done, requestData: data, replyOf(n): reply} {
			if err := q.ReadMemory(ctx, at, part); err != nil {
				return err
			}
		}
		switch length := binary.LittleEndian.Uint32(done[4:]); {
		case int(requests) != n+1:
			return fmt.Errorf("the destination's disk has completed %d requests, expected the one that failed on the source", int(requests)-n)
		case reply[q.status] != 0:
			return fmt.Errorf("the request that failed on the source has the status %#x on the destination, expected 0", reply[q.status])
		case int(length) != sectorSize+q.reply || bytes.IndexByte(data, notWritten) >= 0:
			return fmt.Errorf("the destination's disk has written %d bytes, expected a sector and its reply; the sector begins with % x", length, data[:8])
		}
		for at, content := range map[uint64][]byte{
			q.used(): {0, 0, byte(n), 0}, q.entry(n): make([]byte, 8),
			requestData: bytes.Repeat([]byte{notWritten}, sectorSize), replyOf(n): bytes.Repeat([]byte{notWritten}, q.reply),
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

// ioPort is where a side's PCI device with that id has its ports, and which device that is.
func ioPort(ctx context.Context, s *migration.Side, id string) (port uint16, device int, err error) {
	devices, err := s.PCIDevices(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, d := range devices {
		for _, r := range d.Regions {
			if d.ID == id && r.Type == "io" && r.Address > 0 && r.Address < 1<<16 {
				return uint16(r.Address), d.IDs.Device, nil
			}
		}
	}
	return 0, 0, fmt.Errorf("the %s has no PCI device %q with ports, which its firmware has placed: give both sides one (source args, destination args)", s.Name(), id)
}

package migration_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
)

// A linuxTampering is done to a Linux guest that has arrived, and what one of its workers then
// complains of, as regular expressions.
type linuxTampering struct {
	what, worker string
	complaints   []string
	failure      string // what the worker's judge says, where it has counts to judge
	// fault is done once; again, where there is one, until the worker complains.
	fault, again func(ctx context.Context, p *migration.Pair) error
}

// TestWorkersNoticeWhatTheirGuestLost tampers with one guest that has arrived, again and again,
// and demands that the guest itself notices each.
func TestWorkersNoticeWhatTheirGuestLost(t *testing.T) {
	t.Parallel()
	options := linuxOptions(t, "x86_64")
	source, echo := listenEGD(t), listenLiar(t)
	all := slices.Concat(vCPUTamperings(), memoryTamperings(), source.tamperings(), echo.tamperings(), displayTamperings(), watchdogTamperings(), logTamperings(), diskTamperings(), networkTamperings(),
		[]linuxTampering{{what: "random numbers come no more", fault: source.does(egdSilent)}}, interruptTamperings())
	options.Args = slices.Concat([]string{"-cpu", "max"}, source.args()) // or the kernel puts back a base that it did not set itself
	s := scenario(t, "linux/smp/2")
	linux := *s.Guest.Linux
	linux.Devices = []string{"virtio-blk", "virtio-scsi", "virtio-net", "virtio-rng", "virtserialport", "VGA", "i6300esb"}
	linux.Options = []string{"cpu=60", "memory-rate=1000"} // so that there is mostly something in the registers
	s.Guest.Linux = &linux
	requireEachNoticed(t, s, options, all)
}

// requireEachNoticed does all to the guest when it has arrived, one after the other.
func requireEachNoticed(t *testing.T, s migration.Scenario, options migration.Options, all []linuxTampering) {
	t.Helper()
	var done []string
	options.Rewrite = func(steps migration.Steps) migration.Steps {
		at := slices.IndexFunc(steps, func(s migration.Step) bool { return s.Name == "await switchover within 15s" })
		require.Positive(t, at)
		steps = slices.Clone(steps)[:at+1]
		for _, c := range all {
			steps = append(steps, migration.Step{Name: c.what, Timeout: 3 * migration.StepTimeout, Do: func(ctx context.Context, p *migration.Pair) error {
				err := complained(ctx, p, c)
				if err == nil {
					done = append(done, c.what)
				}
				return err
			}})
		}
		return append(steps, migration.Step{Name: "end", Do: func(context.Context, *migration.Pair) error { return errTampered }})
	}
	result := run(t, s, options)
	require.Len(t, done, len(all), "%s\n%s", result.Reason, explain(result))
	require.Contains(t, result.Reason, errTampered.Error())
}

// complained does a tampering, and waits for what the worker says of it.
func complained(ctx context.Context, p *migration.Pair, c linuxTampering) error {
	if c.fault != nil {
		if err := c.fault(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	unseen, asked := "", uint64(0)
	err := migration.Poll(ctx, "the worker "+c.worker+" to complain", func() (bool, error) {
		all := p.Linux().Workers()[c.worker].Complaints
		for _, unseen = range c.complaints {
			if slices.ContainsFunc(all, regexp.MustCompile(unseen).MatchString) {
				continue
			}
			if c.again == nil {
				return false, nil
			}
			return false, c.again(ctx, p)
		}
		if unseen = c.failure; unseen == "" {
			return true, nil
		}
		return failed(ctx, p, c, &asked)
	})
	if err != nil {
		return fmt.Errorf("%s: %w: %q is not in %q", c.what, err, unseen, p.Linux().Workers()[c.worker].Complaints)
	}
	return nil
}

// memoryTamperings: the guest writes the page again and again, and so does this.
func memoryTamperings() []linuxTampering {
	value := byte(0)
	return []linuxTampering{{
		what: "a byte of its memory changes", worker: "memory",
		complaints: []string{`^the byte at 0x[0-9a-f]+ is wrong: expected 0x[0-9a-f]+, found 0x[0-9a-f]+; [0-9]+ bytes of page 0, generation [0-9]+, are wrong`},
		again: func(ctx context.Context, p *migration.Pair) error {
			value ^= 0xff
			return p.Destination.QTest().Writeb(ctx, p.Linux().Workers()["memory"].Counts.Counts["first-page"]+123, value)
		},
	}}
}

// onImage does something to the image of a device, as somebody else who writes to it would.
func onImage(device string, do func(image *os.File) error) func(context.Context, *migration.Pair) error {
	return func(_ context.Context, p *migration.Pair) error {
		image, err := os.OpenFile(p.Path("guest-"+device+".img"), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer image.Close()
		return do(image)
	}
}

// onDestination is where drover adds that the guest complained.
const onDestination = ` \(on the destination, [0-9.]+ s after its boot\)$`

// diskBlock is the size of the blocks that the worker block writes.
const diskBlock = 4096

// copyBlock copies a block over another.
func copyBlock(from, to int64) func(image *os.File) error {
	return func(image *os.File) error {
		block := make([]byte, diskBlock)
		if _, err := image.ReadAt(block, from*diskBlock); err != nil {
			return err
		}
		_, err := image.WriteAt(block, to*diskBlock)
		return err
	}
}

// diskTamperings: the blocks below 128 are written once, the others again and again.
func diskTamperings() []linuxTampering {
	old := make([]byte, diskBlock)
	wrong := func(sector int) string {
		return fmt.Sprintf(`, sector %d: the byte at \d+ is wrong: expected 0x[0-9a-f]{2}, found 0x[0-9a-f]{2}; \d+ bytes of block \d+, generation \d+, are wrong`, sector)
	}
	return []linuxTampering{
		{
			what: "a byte that was written before the guest moved changes", worker: "block", complaints: []string{"^virtio-blk" + wrong(25) + onDestination},
			fault: onImage("virtio-blk", func(image *os.File) error {
				b := make([]byte, 1)
				if _, err := image.ReadAt(b, 25*512+7); err != nil {
					return err
				}
				_, err := image.WriteAt([]byte{b[0] ^ 0xff}, 25*512+7)
				return err
			}),
		},
		{
			what: "a block comes where another was", worker: "block", complaints: []string{"^virtio-scsi" + wrong(40) + "; that is block 3, generation 1" + onDestination},
			fault: onImage("virtio-scsi", copyBlock(3, 5)),
		},
		{
			what: "a write is lost", worker: "block", complaints: []string{"^virtio-scsi" + wrong(200*8) + `; that is what it had \d+ generations before` + onDestination},
			fault: onImage("virtio-scsi", func(image *os.File) error {
				_, err := image.ReadAt(old, 200*diskBlock)
				return err
			}),
			again: onImage("virtio-scsi", func(image *os.File) error {
				_, err := image.WriteAt(old, 200*diskBlock)
				return err
			}),
		},
		{
			what: "the disk fails", worker: "block", complaints: []string{`^virtio-blk, sector \d+: a read of 65536 bytes failed: expected no error, found .*input/output error after 0 bytes` + onDestination},
			fault: func(ctx context.Context, p *migration.Pair) error {
				_, err := qapi.HumanMonitor(ctx, p.Destination.QMP(), "drive_del guest-virtio-blk")
				return err
			},
		},
		{what: "the kernel tells of it", worker: "log", complaints: []string{`^the kernel log, [0-9.]+ s after its boot, level 3: expected no warning, lockup or failure, found ".*I/O error.* vd.*"` + onDestination}},
	}
}

// TestDevicesOfLinuxGuestsHaveIDsOfTheirOwn, which none of drover's and of a user's are.
func TestDevicesOfLinuxGuestsHaveIDsOfTheirOwn(t *testing.T) {
	ids := regexp.MustCompile(`\bid=([^,]*)`)
	r := &guest.Resources{Dir: t.TempDir()}
	seen := map[string]bool{}
	for _, d := range guest.Devices() {
		for _, arg := range d.Args(r) {
			for _, found := range ids.FindAllStringSubmatch(arg, -1) {
				require.Regexp(t, "^guest-", found[1], d.Name)
				require.False(t, seen[found[1]], found[1])
				seen[found[1]] = true
			}
		}
	}
}

// A wire is a place at the switch that a guest's network device is connected to.
type wire struct{ conn net.Conn }

// tapped does something at the switch.
func tapped(do func(w wire) error) func(context.Context, *migration.Pair) error {
	return func(ctx context.Context, p *migration.Pair) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", p.Path("guest-net.sock"))
		if err != nil {
			return err
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		// A connection that is no more has no frames.
		if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		if err = do(wire{conn}); errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return err
	}
}

func (w wire) send(frame []byte) error {
	_, err := w.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	return err
}

func (w wire) receive() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(w.conn, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(w.conn, frame)
	return frame, err
}

// guestsMAC is the guest's MAC address.
var guestsMAC = []byte{0x52, 0x54, 0x00, 0xd7, 0x01, 0x01}

// steal takes a frame for the guest that carries such a protocol over IPv4, and returns it as if
// the guest had sent it to where it came from.
func (w wire) steal(protocol byte) ([]byte, error) {
	// What is for the guest comes here until it speaks again: so somebody says all the time that
	// it does so here.
	lure := slices.Concat(bytes.Repeat([]byte{0xff}, 6), guestsMAC, []byte{0x88, 0xb5})
	var luring sync.WaitGroup
	defer luring.Wait()
	stop := make(chan struct{})
	defer close(stop)
	luring.Go(func() {
		for w.send(lure) == nil {
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for {
		frame, err := w.receive()
		if err != nil {
			return nil, err
		}
		if len(frame) < 14+20+8 || frame[12] != 8 || frame[13] != 0 || frame[14+9] != protocol {
			continue
		}
		own := []byte{0x52, 0x54, 0x00, 0xd7, 0x01, 0xee} // what comes back goes to the guest
		packet := frame[14:]
		swapped := slices.Concat(frame[6:12], own, frame[12:14], packet[:12], packet[16:20], packet[12:16], packet[22:24], packet[20:22], packet[24:])
		return swapped, nil
	}
}

// forge has the host echo a datagram of the guest's once more, with such a change.
func (w wire) forge(change func(datagram []byte)) error {
	frame, err := w.steal(17)
	if err != nil {
		return err
	}
	udp := frame[14+20:]
	change(udp[8:])
	udp[6], udp[7] = 0, 0 // no checksum
	// The echo comes here, and not to the guest, where that has not spoken since.
	for {
		if err := w.send(frame); err != nil {
			return err
		}
		if err := w.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			return err
		}
		if _, err := w.receive(); errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// checksum is the Internet's.
func checksum(parts ...[]byte) uint16 {
	sum, all := uint32(0), slices.Concat(parts...)
	if len(all)%2 == 1 {
		all = append(all, 0)
	}
	for i := 0; i < len(all); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(all[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// networkTamperings are done by somebody at the switch who takes what is for the guest and speaks
// in its name.
func networkTamperings() []linuxTampering {
	return []linuxTampering{
		{
			what: "a byte of a datagram changes", worker: "net", complaints: []string{`^UDP: byte 20 of datagram \d+ is wrong: expected 0x[0-9a-f]{2}, found 0x[0-9a-f]{2}` + onDestination},
			again: tapped(func(w wire) error { return w.forge(func(datagram []byte) { datagram[20] ^= 0x01 }) }),
		},
		{
			what: "a datagram comes that was never sent", worker: "net", complaints: []string{`^UDP: datagram \d{12,} came: expected a number of those that were sent, 1 to \d+` + onDestination},
			again: tapped(func(w wire) error { return w.forge(func(datagram []byte) { datagram[5] = 0xff }) }),
		},
		{
			what: "the connection is lost", worker: "net", complaints: []string{`^TCP: (sending )?byte \d+ of the connection: expected .*, found .*connection reset by peer` + onDestination},
			again: tapped(func(w wire) error {
				frame, err := w.steal(6)
				if err != nil {
					return err
				}
				packet := frame[14 : 14+20]
				segment := frame[14+20 : 14+20+20]
				copy(segment[4:8], segment[8:12]) // what the host expects next
				segment[12], segment[13], segment[16], segment[17] = 5<<4, 0x04, 0, 0
				binary.BigEndian.PutUint16(packet[2:], 40)
				packet[10], packet[11] = 0, 0
				binary.BigEndian.PutUint16(packet[10:], checksum(packet))
				binary.BigEndian.PutUint16(segment[16:], checksum(packet[12:20], []byte{0, 6, 0, 20}, segment))
				return w.send(frame[:14+40])
			}),
		},
	}
}

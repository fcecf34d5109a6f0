package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/kvm.h, for x86.
const (
	kvmGetRunSize      = 0xAE04
	kvmSetTSS          = 0xAE47
	kvmSetMemory       = 0x4020AE46
	kvmEnableExtension = 0x4068AEA3
	kvmResetDirtyRings = 0xAEC7
	kvmCreateVCPU      = 0xAE41
	kvmRun             = 0xAE80
	kvmSetRegisters    = 0x4090AE82
	kvmGetSpecial      = 0x8138AE83
	kvmSetSpecial      = 0x4138AE84

	kvmLogDirtyPages   = 1 << 0    // of a region of memory
	kvmRingOffset      = 64 * 4096 // of the dirty ring, in a VCPU's file
	kvmEntryDirty      = 1 << 0
	kvmEntryReset      = 1 << 1
	kvmExitReason      = 8 // its offset in struct kvm_run
	kvmExitPort        = 2
	kvmExitHalt        = 5
	kvmExitRingFull    = 31
	protectedMode      = 1 << 0 // of CR0
	ringEntries        = 1024   // the fewest that hold Intel's log of 512 and KVM's reserve
	ringGuestPages     = 2 * ringEntries
	ringGuestWrites    = 6       // to each page: 12 rings in all
	ringGuestFirst     = 1 << 20 // the pages it writes, from here on
	ringGuestEnd       = ringGuestFirst + ringGuestPages*pageSize
	ringGuestProgram   = 0x1000
	belowPCsROM        = 0xfffbd000 // 3 pages that old Intels need, where QEMU has them
	flatCode, flatData = 0xb, 0x3   // types of segments
)

type (
	kvmRegion struct {
		slot, flags          uint32
		guest, size, address uint64
	}
	kvmExtension struct {
		number, _ uint32
		size      uint64
		_         [88]byte
	}
	kvmSegment struct {
		base                                         uint64
		limit                                        uint32
		selector                                     uint16
		kind, present, dpl, db, s, l, g, avl, unused uint8
		_                                            uint8
	}
	kvmSpecial struct {
		cs, ds, es, fs, gs, ss, tr, ldt kvmSegment
		gdt, idt                        [2]uint64
		cr0                             uint64
		_                               [80]byte
	}
	kvmRegisters struct {
		rax, rbx, rcx, rdx uint64
		_                  [12]uint64
		rip, rflags        uint64
	}
	kvmDirtyEntry struct {
		flags, slot uint32
		page        uint64
	}
)

// DirtyRing lets a small guest write more pages than KVM's dirty ring holds, and
// compares its memory with what the ring reported. After each 16 pages the guest forces an
// exit by a write to a port: a KVM that emulates instructions is known to execute
// hundreds of them before it exits and looks whether the ring is
// about to be full, and a guest that writes to new pages with most of them has entries
// overwritten (the host's kernel warns in its log, once). It takes some 60 ms. The error
// is a *DirtyRingError where an entry was lost.
func DirtyRing() error { return tryDirtyRing(ringProgram(16, outToNothing)) }

// outToNothing is out %al,$0x80: PCs show there how far the BIOS got.
var outToNothing = []byte{0xe6, 0x80}

func tryDirtyRing(program []byte) (err error) {
	// A VCPU belongs to a thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	g := &ringGuest{}
	defer g.close()
	if err := g.make(); err != nil {
		return err
	}
	if err := g.load(program); err != nil {
		return err
	}
	check := newRingCheck(g.memory[ringGuestFirst:])
	for {
		reason, err := g.run()
		if err != nil {
			return err
		}
		reported, err := g.harvest()
		if err != nil {
			return err
		}
		if err := check.look(reported); err != nil {
			return err
		}
		switch {
		case reason == kvmExitHalt:
			return nil
		case reason == kvmExitPort:
		case reason != kvmExitRingFull:
			return fmt.Errorf("KVM ended a small guest for reason %d of linux/kvm.h", reason)
		case len(reported) == 0:
			return errors.New("this host's KVM says that its dirty ring is full, and nothing is in it")
		}
	}
}

// ringProgram counts up a byte in each page, round after round: in so many pages by one
// instruction after the other, and after a pause in the next. Up to some 100 bytes of
// instructions its jumps reach.
func ringProgram(abreast int, pause []byte) []byte {
	var code []byte
	number := func(n int) { code = binary.LittleEndian.AppendUint32(code, uint32(n)) }
	jump := func(opcode byte, to int) { code = append(code, opcode, byte(to-len(code)-2)) }

	code = append(code, 0xb8) // mov $first,%eax
	number(ringGuestFirst)
	pages := len(code)
	for i := range abreast {
		code = append(code, 0xfe, 0x80) // incb i*4096(%eax)
		number(i * pageSize)
	}
	code = append(code, pause...)
	code = append(code, 0x05) // add $abreast*4096,%eax
	number(abreast * pageSize)
	code = append(code, 0x3d) // cmp $end,%eax
	number(ringGuestEnd)
	jump(0x72, pages)         // jb pages
	code = append(code, 0x49) // dec %ecx
	jump(0x75, 0)             // jnz the beginning
	return append(code, 0xf4) // hlt
}

// A ringGuest is a VM with one VCPU and its ring.
type ringGuest struct {
	files     []int
	maps      [][]byte
	vm, vcpu  int
	memory    []byte
	state     []byte // struct kvm_run
	ring      []kvmDirtyEntry
	harvested int
}

func (g *ringGuest) close() {
	for _, m := range g.maps {
		_ = unix.Munmap(m)
	}
	for _, file := range slices.Backward(g.files) {
		_ = unix.Close(file)
	}
}

// open keeps a file that is to be closed.
func (g *ringGuest) open(file int, err error) (int, error) {
	if err == nil {
		g.files = append(g.files, file)
	}
	return file, err
}

func (g *ringGuest) mapped(file int, offset int64, size, flags int) ([]byte, error) {
	m, err := unix.Mmap(file, offset, size, unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	g.maps = append(g.maps, m)
	return m, nil
}

// make makes the VM. The ring must be asked for before there is a VCPU.
func (g *ringGuest) make() error {
	device, err := g.open(unix.Open(kvmDevice, unix.O_RDWR|unix.O_CLOEXEC, 0))
	if err != nil {
		return &os.PathError{Op: "open", Path: kvmDevice, Err: err}
	}
	if g.vm, err = g.open(kvmCall("KVM_CREATE_VM", device, kvmCreateVM, nil)); err != nil {
		return err
	}
	ring := kvmExtension{number: kvmCapDirtyLogRing, size: ringEntries * uint64(unsafe.Sizeof(kvmDirtyEntry{}))}
	if _, err := kvmCall("KVM_ENABLE_CAP for a dirty ring", g.vm, kvmEnableExtension, unsafe.Pointer(&ring)); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(g.vm), kvmSetTSS, belowPCsROM); errno != 0 {
		return os.NewSyscallError("KVM_SET_TSS_ADDR", errno)
	}
	if g.vcpu, err = g.open(kvmCall("KVM_CREATE_VCPU", g.vm, kvmCreateVCPU, nil)); err != nil {
		return err
	}
	return g.mapAll(device, int(ring.size))
}

func (g *ringGuest) mapAll(device, ringSize int) error {
	size, err := kvmCall("KVM_GET_VCPU_MMAP_SIZE", device, kvmGetRunSize, nil)
	if err != nil {
		return err
	}
	if g.state, err = g.mapped(g.vcpu, 0, size, unix.MAP_SHARED); err != nil {
		return err
	}
	ring, err := g.mapped(g.vcpu, kvmRingOffset, ringSize, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	g.ring = unsafe.Slice((*kvmDirtyEntry)(unsafe.Pointer(&ring[0])), ringEntries)
	// Memory that is there already holds the guest up nowhere.
	if g.memory, err = g.mapped(-1, 0, ringGuestEnd, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE); err != nil {
		return err
	}
	region := kvmRegion{flags: kvmLogDirtyPages, size: ringGuestEnd, address: uint64(uintptr(unsafe.Pointer(&g.memory[0])))}
	_, err = kvmCall("KVM_SET_USER_MEMORY_REGION", g.vm, kvmSetMemory, unsafe.Pointer(&region))
	return err
}

// load puts the VCPU in front of a program, in protected mode with flat segments.
func (g *ringGuest) load(program []byte) error {
	copy(g.memory[ringGuestProgram:], program)
	var special kvmSpecial
	if _, err := kvmCall("KVM_GET_SREGS", g.vcpu, kvmGetSpecial, unsafe.Pointer(&special)); err != nil {
		return err
	}
	flat := func(selector uint16, kind uint8) kvmSegment {
		return kvmSegment{limit: 0xffffffff, selector: selector, kind: kind, present: 1, db: 1, s: 1, g: 1}
	}
	special.cs = flat(8, flatCode)
	for _, s := range []*kvmSegment{&special.ds, &special.es, &special.fs, &special.gs, &special.ss} {
		*s = flat(16, flatData)
	}
	special.cr0 |= protectedMode
	if _, err := kvmCall("KVM_SET_SREGS", g.vcpu, kvmSetSpecial, unsafe.Pointer(&special)); err != nil {
		return err
	}
	registers := kvmRegisters{rcx: ringGuestWrites, rip: ringGuestProgram, rflags: 1 << 1}
	_, err := kvmCall("KVM_SET_REGS", g.vcpu, kvmSetRegisters, unsafe.Pointer(&registers))
	return err
}

// run lets the guest go on, and says why it stopped.
func (g *ringGuest) run() (reason uint32, err error) {
	_, err = kvmCall("KVM_RUN", g.vcpu, kvmRun, nil)
	return binary.NativeEndian.Uint32(g.state[kvmExitReason:]), err
}

// harvest empties the ring, and gives the pages it reported, counted from the first that
// the guest writes.
func (g *ringGuest) harvest() (map[int]bool, error) {
	reported := map[int]bool{}
	for {
		entry := &g.ring[g.harvested%len(g.ring)]
		if atomic.LoadUint32(&entry.flags)&kvmEntryDirty == 0 {
			break
		}
		reported[int(entry.page)-ringGuestFirst/pageSize] = true
		atomic.StoreUint32(&entry.flags, kvmEntryReset)
		g.harvested++
	}
	_, err := kvmCall("KVM_RESET_DIRTY_RINGS", g.vm, kvmResetDirtyRings, nil)
	return reported, err
}

// kvmCall asks again where a signal came first: Go sends some to its own threads.
func kvmCall(name string, file int, request uintptr, argument unsafe.Pointer) (int, error) {
	for {
		result, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(file), request, uintptr(argument))
		switch errno {
		case 0:
			return int(result), nil
		case unix.EINTR, unix.EAGAIN:
		default:
			return -1, os.NewSyscallError(name, errno)
		}
	}
}

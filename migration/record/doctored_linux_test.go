package record

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/fixtures"
)

// linux returns a record of a Linux guest's migration in which nothing went wrong.
func linux() *Record {
	r := good()
	r.Program, r.Scenario = fixtures.Linux, "linux/precopy"
	r.Workload, r.Memory, r.Exact, r.Devices, r.Canaries = nil, nil, nil, nil, 0
	r.Life = &LifeFacts{Side: "destination", Running: true, Status: "running", Heartbeats: 1, Seconds: 0.1, Beats: &BeatFacts{7, 8}}
	r.Stand.Before, r.Stand.After = Reading{}, Reading{}
	r.Linux = &LinuxFacts{
		Side: "destination", Kernel: "6.1.0-50-cloud-amd64", Port: "drover.0", BootSeconds: 2, CPUs: 1, Online: 1,
		Devices: []string{"virtio-serial"},
	}
	r.Linux.Pictures = []PictureFacts{
		{Side: "source", Frame: 150, Width: 640, Height: 480},
		{Side: "destination", Frame: 150, Width: 640, Height: 480},
		{Side: "destination", Running: true, Frame: 152, Width: 640, Height: 480},
	}
	for _, side := range []string{"source", "destination"} {
		used := Input{Presses: 1, Releases: 1, X: 1000, Y: 2000}
		r.Linux.Inputs = append(r.Linux.Inputs, InputFacts{Side: side, Device: "usb-tablet", Sent: used, Heard: used, Looks: 2})
	}
	for _, w := range Workers() {
		facts := WorkerFacts{Name: w.Name, Before: map[string]uint64{"rounds": 3}, After: map[string]uint64{"rounds": 5}}
		for _, name := range w.Grows {
			facts.Before[name], facts.After[name] = 100, 200
		}
		switch w.Name {
		case "net":
			facts.After["udp-sent"] = 200
		case "dimm":
			facts.After["dimm-pages"] = 4096
		case "serial":
			facts.After["sent"] = 200
		case "hosts":
			for _, name := range []string{"leaving-open", "leaving-closed", "coming-open", "coming-closed"} {
				facts.Before[name], facts.After[name] = 10, 20
			}
		case "interrupts":
			for _, name := range []string{"the timer of vCPU 0", "virtio-blk", "virtio-net"} {
				facts.Before["irqs:"+name], facts.After["irqs:"+name] = 10, 20
				facts.Before["uses:"+name], facts.After["uses:"+name] = 5, 15
			}
		}
		r.Linux.Planned = append(r.Linux.Planned, w.Name)
		r.Linux.Workers = append(r.Linux.Workers, facts)
	}
	return r
}

// ofWorker changes what a worker has said.
func ofWorker(name string, change func(w *WorkerFacts)) func(r *Record) {
	return func(r *Record) { change(r.Linux.worker(name)) }
}

// picture changes what QEMU showed when it was asked, counted from 0.
func picture(i int, change func(p *PictureFacts)) func(r *Record) {
	return func(r *Record) { change(&r.Linux.Pictures[i]) }
}

func doctoredLinux() []doctored {
	list := []doctored{
		{"guest lives", "no sign of life of a Linux guest", linux, func(r *Record) { r.Life.Beats.After, r.Life.Heartbeats = 7, 0 }, Fail, []string{"no sign of life", "7"}},
		{"guest lives", "a Linux guest is looked at as if it were none", linux, func(r *Record) { r.Life.Beats = nil }, Unknown, []string{"its kind"}},
		{"linux guest", "it booted again", linux, func(r *Record) { r.Linux.Restarted = true }, Fail, []string{"booted again"}},
		{"linux guest", "a module is missing", linux, func(r *Record) { r.Linux.Problems = []string{"module virtio_pci: no such file"} }, Fail, []string{"virtio_pci"}},
		{"linux guest", "a vCPU is missing", linux, func(r *Record) { r.Linux.CPUs = 2 }, Fail, []string{"1 vCPUs", "expected 2"}},
		{"linux guest", "a line was lost", linux, func(r *Record) { r.Linux.Lost, r.Linux.Damaged = 2, 1 }, Fail, []string{"2 of the lines", "1 came damaged"}},
		{"linux guest", "a line came twice", linux, func(r *Record) { r.Linux.Doubled = 1 }, Fail, []string{"twice"}},
		{"linux guest", "it was asked on the source", linux, func(r *Record) { r.Linux.Side = "source" }, Unknown, []string{"source"}},
		{"linux guest", "nobody heard it", linux, func(r *Record) { r.Linux = nil }, Unknown, []string{"Linux"}},
		{"linux guest", "a worker that nobody judges", linux, func(r *Record) { r.Linux.Planned = append(r.Linux.Planned, "juggler") }, Unknown, []string{"juggler"}},
	}
	list = append(list, doctoredWorkers()...)
	list = append(list, doctoredInputs()...)
	list = append(list, doctoredHosts()...)
	for _, w := range Workers() {
		list = append(list, doctoredWorker(w)...)
	}
	return append(list, doctoredLosses()...)
}

// doctoredWorkers are what the workers' own judges make of what they have counted.
func doctoredWorkers() []doctored {
	two := func() *Record {
		r := linux()
		r.Linux.CPUs, r.Linux.Online = 2, 2
		w := r.Linux.worker("vcpus")
		w.Before["handovers"], w.After["handovers"] = 10, 20
		return r
	}
	quiet := func(name string, uses, waits uint64) func(r *Record) {
		return ofWorker("interrupts", func(f *WorkerFacts) {
			f.After["irqs:"+name], f.After["uses:"+name], f.After["waits:"+name] = 10, 5+uses, waits
		})
	}
	late := func(f *WorkerFacts) {
		f.Complaints, f.Total = []string{"no interrupt of virtio-blk has come for 4.4 s: expected their number to grow, found 5 all the time"}, 1
	}
	timedOut := func(f *WorkerFacts) {
		f.Complaints, f.Total = []string{"the TPM, after 12 extends: expected no error, found TPM2_PCR_Extend: timer expired (on the destination, 5.2 s after its boot)"}, 1
	}
	logged := func(text string) func(f *WorkerFacts) {
		return func(f *WorkerFacts) {
			f.Complaints, f.Total = []string{"the kernel log, 30.000 s after its boot, level 0: expected no warning, lockup or failure, found \"" + text + "\""}, 1
		}
	}
	lost := func(ms float64) func(r *Record) {
		return func(r *Record) { r.Linux.ClockLostMS = new(r.gap() + ms) }
	}
	return []doctored{
		{"linux clock", "late: the guest's clock stood still", linux, lost(300), Fail, []string{"the guest's clock lost 3", "ms against the host's", "paused for"}},
		{"linux clock", "late: the guest's clock went on ahead", linux, lost(-300), Fail, []string{"the guest's clock lost -2", "ms against the host's"}},
		{"linux interrupts", "late: a device that is used is quiet", linux, quiet("virtio-blk", 4, 0), Fail, []string{"virtio-blk no longer interrupts", "destination", "were 10, and then 10", "served"}},
		{"linux interrupts", "late: a device that is waited for is quiet", linux, quiet("virtio-net", 0, 1), Fail, []string{"virtio-net no longer", "waits"}},
		{"linux interrupts", "late: a vCPU's timer is quiet", linux, quiet("the timer of vCPU 0", 0, 1), Fail, []string{"the timer of vCPU 0 no longer"}},
		{"linux interrupts", "a device is quiet on a busy host", linux, func(r *Record) {
			quiet("virtio-blk", 4, 0)(r)
			r.Host = &HostFacts{Slowdown: 3}
		}, Unknown, []string{"too busy", "virtio-blk no longer"}},
		{"linux interrupts", "no timer is counted", linux, ofWorker("interrupts", func(f *WorkerFacts) { delete(f.Before, "irqs:the timer of vCPU 0") }), Unknown, []string{"timer"}},
		{"linux interrupts", "late: it complains of what is late", linux, ofWorker("interrupts", late), Fail, []string{"no interrupt of virtio-blk"}},
		{"linux interrupts", "it complains of what is late on a busy host", linux, func(r *Record) {
			ofWorker("interrupts", late)(r)
			r.Host = &HostFacts{Slowdown: 3}
		}, Unknown, []string{"too busy", "no interrupt of virtio-blk"}},
		{"linux interrupts", "it complains of what no host explains", linux, func(r *Record) {
			ofWorker("interrupts", late)(r)
			f := r.Linux.worker("interrupts")
			f.Complaints, f.Total = append(f.Complaints, "expected a line of virtio3, found none"), 2
			r.Host = &HostFacts{Slowdown: 3}
		}, Fail, []string{"virtio3"}},
		{"linux log", "late: a lockup", linux, ofWorker("log", logged("watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1]")), Fail, []string{"soft lockup"}},
		{"linux log", "late: a lockup on a busy host", linux, func(r *Record) {
			ofWorker("log", logged("rcu: INFO: rcu_sched self-detected stall on CPU"))(r)
			r.Host = &HostFacts{Slowdown: 3}
		}, Unknown, []string{"too busy", "detected stall"}},
		{"linux log", "late: a warning that is not known here, on a busy host", linux, func(r *Record) {
			ofWorker("log", logged("sched: odd things happened"))(r)
			r.Host = &HostFacts{Slowdown: 3}
		}, Unknown, []string{"too busy", "odd things"}},
		{"linux log", "late: a warning that is not known here", linux, ofWorker("log", logged("sched: odd things happened")), Fail, []string{"odd things"}},
		{"linux log", "a disk fails on a busy host", linux, func(r *Record) {
			ofWorker("log", logged("I/O error, dev vda, sector 8 op 0x0:(READ)"))(r)
			r.Host = &HostFacts{Slowdown: 3}
		}, Fail, []string{"I/O error, dev vda"}},
		{"linux tpm", "late: a command takes too long on a busy host", linux, func(r *Record) {
			ofWorker("tpm", timedOut)(r)
			r.Host = &HostFacts{Slowdown: 3}
		}, Unknown, []string{"too busy", "TPM2_PCR_Extend"}},
		{"linux tpm", "late: a command takes too long", linux, ofWorker("tpm", timedOut), Fail, []string{"TPM2_PCR_Extend: timer expired"}},
		{"linux dimm", "its pages lie elsewhere", linux, ofWorker("dimm", func(f *WorkerFacts) { f.After["dimm-pages"] = 0 }), Fail, []string{"0 of the guest's pages"}},
		{"linux dimm", "nobody looked where its pages lie", linux, ofWorker("dimm", func(f *WorkerFacts) { delete(f.After, "dimm-pages") }), Unknown, []string{"DIMM"}},
		{"linux gpu", "pixels are wrong", linux, picture(1, func(p *PictureFacts) {
			p.Wrong, p.First = 12, "line 3, column 7: expected 0x010203, found 0x000000"
		}), Fail, []string{"destination", "12 of 307200 pixels", "line 3, column 7", "expected 0x010203, found 0x000000"}},
		{"linux gpu", "an older picture has arrived", linux, picture(1, func(p *PictureFacts) { p.Frame = 149 }), Fail, []string{"frame 149 on the destination", "expected frame 150, as on the source"}},
		{"linux gpu", "a picture that the guest did not draw", linux, picture(0, func(p *PictureFacts) { p.Frame = 201 }), Fail, []string{"frame 201", "200 that the guest drew"}},
		{"linux gpu", "late: the picture stands still", linux, picture(2, func(p *PictureFacts) { p.Frame = 150 }), Fail, []string{"frame 150 on the destination, where the guest runs", "later one than 150"}},
		{"linux gpu", "the picture stands still on a busy host", linux, func(r *Record) {
			picture(2, func(p *PictureFacts) { p.Frame = 150 })(r)
			r.Host = &HostFacts{Slowdown: 3}
		}, Unknown, []string{"too busy", "later one than 150"}},
		{"linux gpu", "a picture without pixels", linux, picture(0, func(p *PictureFacts) { p.Width = 0 }), Unknown, []string{"0 to 480 pixels"}},
		{"linux vcpus", "two vCPUs, and handovers that stand still", two, ofWorker("vcpus", func(f *WorkerFacts) { f.After["handovers"] = 10 }), Fail, []string{"10 times, and then 10"}},
	}
}

// doctoredWorker is what makes the check of any worker fail.
func doctoredWorker(w Worker) []doctored {
	check := "linux " + w.Name
	list := []doctored{
		{check, "it complains", linux, ofWorker(w.Name, func(f *WorkerFacts) {
			f.Complaints, f.Total = []string{"the byte at 0x1000 is wrong: expected 0x01, found 0x02"}, 3
		}), Fail, []string{"0x1000", "expected 0x01", "found 0x02", "3 things"}},
		{check, "it complains without a word", linux, ofWorker(w.Name, func(f *WorkerFacts) { f.Total = 1 }), Unknown, []string{"1 things"}},
		{check, "it does not answer", linux, ofWorker(w.Name, func(f *WorkerFacts) { f.Silent, f.After = true, nil }), Fail, []string{"did not answer"}},
		{check, "nobody heard it", linux, func(r *Record) {
			for i := range r.Linux.Workers {
				if r.Linux.Workers[i].Name == w.Name {
					r.Linux.Workers = append(r.Linux.Workers[:i], r.Linux.Workers[i+1:]...)
					return
				}
			}
		}, Unknown, []string{w.Name}},
	}
	for _, name := range w.Grows {
		list = append(list,
			doctored{check, name + " stand still", linux, ofWorker(w.Name, func(f *WorkerFacts) { f.After[name] = f.Before[name] }), Fail, []string{name, "100"}},
			doctored{check, "no " + name, linux, ofWorker(w.Name, func(f *WorkerFacts) { delete(f.After, name) }), Unknown, []string{name}},
		)
	}
	return list
}

func TestGoodLinuxRecordPasses(t *testing.T) {
	r := linux()
	require.NoError(t, Judged(r).Err())
	na := map[string]bool{}
	for _, v := range Judge(r) {
		require.NotEmpty(t, v.Witness, v.Check)
		if v.Outcome == NotApplicable {
			na[v.Check] = true
			continue
		}
		require.Equal(t, Pass, v.Outcome, "%s: %s", v.Check, v.Witness)
	}
	require.Equal(t, map[string]bool{"workload": true, "memory": true}, na, "what such a guest has not is named, and not passed")
	require.Equal(t, Unknown, Worst([]Verdict{{Outcome: NotApplicable}}))
}

// TestADeviceThatNobodyUsesMayBeQuiet between two looks.
func TestADeviceThatNobodyUsesMayBeQuiet(t *testing.T) {
	for uses := range uint64(usesWithoutInterrupt + 1) {
		r := linux()
		f := r.Linux.worker("interrupts")
		f.After["irqs:virtio-blk"], f.After["uses:virtio-blk"] = 10, 5+uses
		require.NoError(t, Judged(r).Err())
	}
}

func TestChecksThatAreNotForLinuxExist(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Checks() {
		names[c.Name] = true
	}
	for name := range notForLinux() {
		require.True(t, names[name], name)
	}
}

func TestNextWayOfALinuxGuestIsHeldToTheSameWorkers(t *testing.T) {
	r := linux()
	r.NextLeg()
	require.Equal(t, []string{"memory", "clock"}, r.Linux.Planned[:2])
	require.Empty(t, r.Linux.Workers)
	last := linux()
	last.Legs = r.Legs
	require.NoError(t, Judged(last).Err())
	last.Legs[0].Linux.worker("memory").Silent = true
	require.ErrorContains(t, Judged(last).Err(), "leg 1: linux memory")
}

// TestLinuxThatMetTheKnownBugIsASkip: a QEMU that loses writes to hot pages makes a kernel do
// anything.
func TestLinuxThatMetTheKnownBugIsASkip(t *testing.T) {
	doctor := func(r *Record) *Record {
		r.Accel, r.Source.Version, r.KnownBug = "tcg: the default", "7.2.22", "claimed"
		r.Linux.Restarted = true
		r.Linux.worker("memory").After = nil
		return r
	}
	result := Judged(doctor(linux()))
	require.Equal(t, Skip, result.Outcome, result.Reason)
	require.Contains(t, result.Reason, "fixed in 9.0")
	silent := doctor(linux())
	silent.Linux.Restarted, silent.Error = false, "line 20: expect running: no sign of life came from the guest"
	silent.Steps = append(silent.Steps, StepFacts{Name: "expect running", Error: "no sign of life came from the guest"})
	silent.Life.Beats.After, silent.Life.Heartbeats, silent.Stillness, silent.Teardown = 7, 0, nil, nil
	result = Judged(silent)
	require.Equal(t, Skip, result.Outcome, result.Reason)
	gone := doctor(linux()) // before it was asked to move again
	gone.Error, gone.Steps, gone.Life, gone.Linux = silent.Error, silent.Steps, silent.Life, nil
	gone.KnownBug, gone.Legs, gone.Stillness, gone.Teardown, gone.Migration, gone.Stand = "", []*Record{silent}, nil, nil, nil, nil
	gone.Source.Began, gone.Destination.Events = time.Time{}, nil
	result = Judged(gone)
	require.Equal(t, Skip, result.Outcome, result.Reason)
	newer := doctor(linux())
	newer.Source.Version = "10.0.0"
	require.Equal(t, Fail, Judged(newer).Outcome)
	other := doctor(linux())
	other.Teardown.Exits[0].Clean = false
	require.Equal(t, Fail, Judged(other).Outcome, "what the bug doesn't do is a failure")
}

// doctoredLosses are more than a switchover may lose of what may be lost.
func doctoredLosses() []doctored {
	return []doctored{
		{"linux net", "nobody counted what was sent", linux, ofWorker("net", func(w *WorkerFacts) { delete(w.After, "udp-sent") }), Unknown, []string{"how many datagrams"}},
		{"linux serial", "nobody counted what was sent", linux, ofWorker("serial", func(w *WorkerFacts) { delete(w.After, "sent") }), Unknown, []string{"how many lines"}},
		{"linux net", "too many datagrams are lost", linux, ofWorker("net", func(w *WorkerFacts) { w.After["udp-lost"] = 36 }), Fail, []string{"36 of 200", "lost", "expected 35"}},
		{"linux net", "too many came twice", linux, ofWorker("net", func(w *WorkerFacts) { w.After["udp-doubled"] = 40 }), Fail, []string{"40 of 200", "twice"}},
		{"linux serial", "too many lines are lost", linux, ofWorker("serial", func(w *WorkerFacts) { w.After["lost"] = 16 }), Fail, []string{"16 of 200", "lost", "expected 15"}},
		{"linux serial", "too many lines are damaged", linux, ofWorker("serial", func(w *WorkerFacts) { w.After["damaged"] = 16 }), Fail, []string{"16 of 200", "damaged"}},
	}
}

package record

// doctoredHosts are serial ports of which a Linux guest did not see who came and who left.
func doctoredHosts() []doctored {
	same := func(name string) func(r *Record) {
		return ofWorker("hosts", func(w *WorkerFacts) { w.After[name] = w.Before[name] })
	}
	busy := func(looks uint64) func(r *Record) {
		return func(r *Record) {
			same("coming-open")(r)
			ofWorker("hosts", func(w *WorkerFacts) { w.After["looks"] = w.Before["looks"] + looks })(r)
			r.Host = &HostFacts{Slowdown: 3}
		}
	}
	witness := []string{"drover.coming closed on the destination", "expected it to be open"}
	return []doctored{
		{"linux hosts", "somebody has come, and the guest does not see it", linux, same("coming-open"), Fail, witness},
		{"linux hosts", "somebody has left, and the guest does not see it", linux, same("leaving-closed"), Fail, []string{"drover.leaving open on the destination", "expected it to be closed"}},
		{"linux hosts", "somebody has come, and the guest had the time to see it", linux, busy(hostsLooks), Fail, witness},
		{"linux hosts", "somebody has come on a busy host", linux, busy(hostsLooks - 1), Unknown, append([]string{"too busy"}, witness...)},
		{"linux hosts", "somebody was there all the time", linux, ofWorker("hosts", func(w *WorkerFacts) { w.After["coming-closed"] = 0 }), Unknown, []string{"never saw its serial port drover.coming closed"}},
	}
}

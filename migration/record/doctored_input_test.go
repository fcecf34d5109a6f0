package record

// doctoredInputs are keys, clicks and motions of which a Linux guest heard nothing, or too much.
func doctoredInputs() []doctored {
	input := func(change func(in *InputFacts)) func(r *Record) {
		return func(r *Record) { change(&r.Linux.Inputs[1]) }
	}
	nothing := func(looks uint64) func(r *Record) {
		return input(func(in *InputFacts) { in.Heard, in.Looks = Input{X: 1000, Y: 2000}, looks })
	}
	busy := func(change func(r *Record)) func(r *Record) {
		return func(r *Record) {
			change(r)
			r.Host = &HostFacts{Slowdown: 3}
		}
	}
	witness := []string{"did not hear all", "usb-tablet on the destination", "expected 1 presses and 1 releases", "found 0 presses and 0 releases"}
	return []doctored{
		{"linux input", "a click goes elsewhere", linux, nothing(inputLooks), Fail, witness},
		{"linux input", "a click goes elsewhere on a busy host", linux, busy(nothing(inputLooks)), Fail, witness},
		{"linux input", "late: a click does not come", linux, nothing(inputLooks - 1), Fail, witness},
		{"linux input", "a click does not come on a busy host", linux, busy(nothing(inputLooks - 1)), Unknown, append([]string{"too busy"}, witness...)},
		{"linux input", "a button is not released", linux, input(func(in *InputFacts) { in.Heard.Releases, in.Looks = 0, inputLooks }), Fail, []string{"found 1 presses and 0 releases"}},
		{"linux input", "the pointer is elsewhere", linux, input(func(in *InputFacts) { in.Heard.Y, in.Looks = 7, inputLooks }), Fail, []string{"the pointer at 1000, 2000", "the pointer at 1000, 7"}},
		{"linux input", "a click comes twice", linux, input(func(in *InputFacts) { in.Heard.Presses = 2 }), Fail, []string{"heard more", "expected 1 presses", "found 2 presses"}},
		{"linux input", "nothing was done", linux, input(func(in *InputFacts) { in.Sent = Input{} }), Unknown, []string{"usb-tablet was not used on the destination"}},
	}
}

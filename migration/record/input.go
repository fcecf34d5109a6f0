package record

import (
	"fmt"
	"strings"
)

// An Input is what was done with a keyboard or a tablet.
type Input struct {
	Presses, Releases uint64 // of keys and buttons
	X, Y              uint64 `json:",omitempty"` // where the pointer is; 0 for a keyboard
}

func (i Input) String() string {
	text := fmt.Sprintf("%d presses and %d releases", i.Presses, i.Releases)
	if i.X != 0 || i.Y != 0 {
		text += fmt.Sprintf(", the pointer at %d, %d", i.X, i.Y)
	}
	return text
}

// InputFacts are what was done with an input device of a Linux guest, which ran, and what the guest
// heard of it in time.
type InputFacts struct {
	Side, Device string
	Sent, Heard  Input
	Looks        uint64 // how often the guest looked meanwhile whether something had come
}

// inputLooks are so many that the guest had time to hear what had come, however busy the host was.
const inputLooks = 10

// judgeInput wants the guest to have heard what was done, once.
func judgeInput(r *Record, _ *WorkerFacts) (Outcome, string) {
	var heard []string
	for _, in := range r.Linux.Inputs {
		found := fmt.Sprintf("of what was done with %s on the %s: expected %s, found %s in %d looks", in.Device, in.Side, in.Sent, in.Heard, in.Looks)
		switch {
		case in.Sent.Presses == 0 || in.Sent.Releases == 0:
			return unsure("%s was not used on the %s: there were %s", in.Device, in.Side, in.Sent)
		case in.Heard == in.Sent:
			heard = append(heard, fmt.Sprintf("%s on the %s", in.Device, in.Side))
		case in.Heard.Presses > in.Sent.Presses || in.Heard.Releases > in.Sent.Releases:
			return fail("the guest heard more %s", found)
		case in.Looks < inputLooks:
			return r.late("the guest did not hear all %s", found)
		default:
			return fail("the guest did not hear all %s", found)
		}
	}
	if len(heard) == 0 {
		return pass("the guest listens, and nothing was done with its input devices")
	}
	return pass("the guest heard all that was done with %s", strings.Join(heard, ", "))
}

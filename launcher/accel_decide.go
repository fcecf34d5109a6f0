package launcher

import (
	"fmt"
	"time"
)

// A Measurement is how far a guest got under an accelerator.
type Measurement struct {
	Accel string `json:"accel"`
	// Boot is the time from the start of QEMU until the guest's program ran, 0
	// where it did not get there.
	Boot time.Duration `json:"boot,omitempty"`
	// Rounds is how often the program then went over its memory, and Took the
	// time it needed for that. Both are 0 where it did not get through.
	Rounds int           `json:"rounds,omitempty"`
	Took   time.Duration `json:"took,omitempty"`
	// Limit is how long it was given for all of that.
	Limit time.Duration `json:"limit"`
	// Problem says why there are no figures where it was not the limit.
	Problem string `json:"problem,omitempty"`
}

// Rate returns the rounds in a second, 0 where there is no figure.
func (m Measurement) Rate() float64 {
	if m.Took <= 0 {
		return 0
	}
	return float64(m.Rounds) / m.Took.Seconds()
}

// String returns the measurement in words.
func (m Measurement) String() string {
	switch {
	case m.Problem != "":
		return "no guest ran: " + m.Problem
	case m.Took > 0:
		return fmt.Sprintf("booted in %.1f s and did %.0f rounds a second", m.Boot.Seconds(), m.Rate())
	case m.Boot > 0:
		return fmt.Sprintf("booted in %.1f s and was not through its first rounds after %.1f s", m.Boot.Seconds(), m.Limit.Seconds())
	}
	return fmt.Sprintf("had not booted after %.1f s", m.Limit.Seconds())
}

// tcgLimit is how long TCG may take: SLOF needs 4 s of it to boot.
const tcgLimit = 20 * time.Second

// kvmLimit is how long KVM may take, to boot and do the same rounds. A KVM with
// the hardware's help needs less than TCG; what needs thrice as much has lost.
func kvmLimit(tcg Measurement) time.Duration {
	const atLeast = 2 * time.Second // a busy machine
	return min(max(3*(tcg.Boot+tcg.Took), atLeast), tcgLimit)
}

// decide chooses by two measurements. The error says that no guest ran under
// either.
func decide(under, other Measurement) (Choice, error) {
	c := Choice{Accel: tcg, Measured: []Measurement{under, other}}
	switch {
	case other.Rate() > 0 && other.Rate() >= under.Rate():
		c.Accel = kvm
		c.Why = fmt.Sprintf("the guest %v, under TCG it %v", other, under)
		if under.Problem != "" {
			c.Why = fmt.Sprintf("the guest %v, under TCG %v", other, under)
		}
	case under.Rate() == 0:
		return Choice{}, fmt.Errorf("under TCG the guest %v, under KVM it %v", under, other)
	case other.Problem != "":
		c.Why = "/dev/kvm opens, but under KVM " + other.String()
	default:
		c.Why = fmt.Sprintf("the guest %v, under KVM it %v: it is probably nested, without the hardware's help", under, other)
	}
	return c, nil
}

package probe

import (
	"fmt"
	"strings"

	"github.com/drover-vm/drover/internal/near"
)

// A NoCommonMachineError says that two QEMUs have no machine type in common that a
// guest could have on both.
type NoCommonMachineError struct {
	Source, Destination string // the binaries; "" where they are not known
	Wanted              string // the type or alias that was asked for; "" for the source's default
	Unknown             bool   // neither QEMU has what was asked for
	// Others are up to three types that both have, of other boards or of a name near
	// to the one that neither has.
	Others []string
}

// Error is one sentence with the way out.
func (e *NoCommonMachineError) Error() string {
	source, destination := e.Source, e.Destination
	if source == "" || destination == "" {
		source, destination = "the source's QEMU", "the destination's"
	}
	what := fmt.Sprintf("%s and %s have no machine type in common", source, destination)
	switch {
	case e.Unknown && e.Wanted == "":
		what = source + " has no default machine type"
	case e.Unknown:
		what = fmt.Sprintf("neither %s nor %s has a machine type %s", source, destination, e.Wanted)
	case e.Wanted != "":
		what += " for " + e.Wanted
	}
	switch others := strings.Join(e.Others, ", "); {
	case others == "":
		return what + ": take another QEMU for one of the sides"
	case e.Unknown && e.Wanted != "":
		return fmt.Sprintf("%s; did you mean %s?", what, others)
	default:
		return fmt.Sprintf("%s; both have %s: name one with -machine", what, others)
	}
}

// noCommonMachine is the error of two QEMUs for which CommonMachine has found nothing.
func noCommonMachine(source, destination []Machine, wanted string) *NoCommonMachineError {
	const most = 3
	e := &NoCommonMachineError{Wanted: wanted}
	both := inBoth(source, destination)
	e.Unknown = wanted == "" && meaning(source, "") == "" || !has(source, wanted) && !has(destination, wanted)
	if e.Unknown && wanted != "" {
		for _, side := range [][]Machine{source, destination} {
			for _, m := range side {
				if m.Alias != "" {
					both = append(both, m.Name)
				}
			}
		}
		e.Others = near.Names(wanted, both)
		return e
	}
	for _, name := range both {
		hasNoGuest := name == "none" || strings.HasPrefix(name, "x-")
		if !hasNoGuest && len(e.Others) < most {
			e.Others = append(e.Others, name)
		}
	}
	return e
}

package record

import "cmp"

// DeviceFacts are one register of a device: what was written to it on the source,
// and what the destination has in it.
type DeviceFacts struct {
	Register       string
	Planted, Found uint32
}

func judgeDevices(r *Record) (Outcome, string) {
	seen := map[string]bool{}
	for _, d := range r.Devices {
		switch {
		case d.Found != d.Planted:
			return fail("%s: %#02x was written on the source, and the %s has %#02x", d.Register, d.Planted, cmp.Or(string(r.Ends), "destination"), d.Found)
		case d.Register == "" || d.Planted == 0:
			return unsure("%q: what was written on the source was not gathered", d.Register)
		case seen[d.Register]:
			return unsure("%s was gathered twice", d.Register)
		}
		seen[d.Register] = true
	}
	switch {
	case len(r.Devices) == 0:
		return unknown("any device's register")
	case len(r.Devices) < r.Canaries, r.Canaries < 0:
		return unsure("%d registers of devices were written on the source, and what became of %d was gathered", r.Canaries, len(r.Devices))
	case r.Canaries == 0 && len(r.Devices) < int(fewestDevices.Value):
		return unsure("%d registers of devices were gathered, and nobody counted how many were written; at least %.0f are of a PC", len(r.Devices), fewestDevices.Value)
	}
	return pass("%d registers of devices arrived as they were", len(r.Devices))
}

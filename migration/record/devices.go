package record

import "cmp"

// DeviceFacts are one register of a device: what was written to it on the source,
// and what the destination has in it.
type DeviceFacts struct {
	Register       string
	Planted, Found uint32
}

func judgeDevices(r *Record) (Outcome, string) {
	for _, d := range r.Devices {
		if d.Found != d.Planted {
			return fail("%s: %#02x was written on the source, and the %s has %#02x", d.Register, d.Planted, cmp.Or(string(r.Ends), "destination"), d.Found)
		}
	}
	if len(r.Devices) == 0 {
		return unknown("any device's register")
	}
	return pass("%d registers of devices arrived as they were", len(r.Devices))
}

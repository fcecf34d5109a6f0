package migration

import "context"

// A Device is one that the scenario's command lines give both sides: a QEMU that lacks it does not start.
type Device struct {
	Name  string
	Since Release
}

func (n Device) String() string                                        { return since("device "+n.Name, n.Since, false) }
func (n Device) lacks(Options) error                                   { return nil }
func (n Device) lacking(context.Context, *Side, map[string]bool) error { return nil }

func declareDevice(a *Args, s *Scenario) {
	n := Device{Name: a.Word("the type of the device")}
	n.Since, _ = a.since()
	s.Needs = append(s.Needs, n)
}

package migration

func exact() []Scenario { return []Scenario{exactDevices} }

var exactDevices = Scenario{
	Name:  "exact/devices",
	Doc:   "values in registers of devices that the guest does not touch arrive as they were",
	Needs: []Need{PC},
	Story: Steps{
		Boot(), letConverge(), Set(MaxBandwidth, 1*GB),
		Listen(Unix), Migrate(), AwaitSwitchover(), SeeCanaries(),
	},
}

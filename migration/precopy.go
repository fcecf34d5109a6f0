package migration

import "time"

func precopy() []Scenario {
	return []Scenario{precopyUnixPlain}
}

var precopyUnixPlain = Scenario{
	Name: "precopy/unix/plain",
	Doc:  "one full pass under a downtime limit that it can't meet, then room to converge",
	Story: Steps{
		Set(DowntimeLimit, time.Millisecond), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitPass(1),
		Set(DowntimeLimit, 300*time.Millisecond),
		AwaitSwitchover(),
	},
}

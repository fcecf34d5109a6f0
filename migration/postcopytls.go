package migration

import (
	"slices"
	"time"
)

// What is sent after the guest is encrypted as well, and so is what is sent over the
// connections that take the place of those that broke.
func postcopyTLS() []Scenario {
	return []Scenario{postcopyTLSPlain, postcopyRecoveryTLS, postcopyPreemptTLS, postcopyPreemptRecoveryTLS}
}

var postcopyTLSPlain = Scenario{
	Name:  "postcopy/tls/psk",
	Doc:   "the guest runs on the destination before its RAM is there, all of which is encrypted",
	Needs: []Need{TLS, Userfaultfd, {Capability: PostcopyRAM}},
	Story: Steps{
		UsePSK(false), Enable(PostcopyRAM), Set(MaxBandwidth, 100*MB), unhurried(),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitPass(1).Allow(20 * time.Second), StartPostcopy(),
		AwaitSwitchover(), SeeEncrypted(1),
	},
}

var postcopyRecoveryTLS = Scenario{
	Name:  "postcopy/recovery/tls/psk",
	Doc:   "the connection breaks while the guest runs without all its RAM; the rest goes over another, encrypted like the first",
	Needs: []Need{TLS, Userfaultfd, {Capability: PostcopyRAM}},
	Story: slices.Concat(Steps{UsePSK(false), Enable(PostcopyRAM)}, breaksTapped(), recoversEncrypted(2)),
}

var postcopyPreemptTLS = Scenario{
	Name:  "postcopy/preempt/tls/psk",
	Doc:   "pages that the guest waits for have a connection of their own, encrypted like the other",
	Needs: []Need{TLS, Userfaultfd, {Capability: PostcopyRAM}, {Capability: PostcopyPreempt}},
	Story: Steps{
		UsePSK(false), Enable(PostcopyRAM), Enable(PostcopyPreempt),
		Set(MaxBandwidth, 100*MB), Set(MaxPostcopyBandwidth, 4096), unhurried(),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitPass(1).Allow(20 * time.Second), StartPostcopy(),
		AwaitUrgent(), Set(MaxPostcopyBandwidth, 0), AwaitSwitchover(), SeePostcopy(), SeePreemptChannel(), SeeEncrypted(2),
	},
}

var postcopyPreemptRecoveryTLS = Scenario{
	Name:  "postcopy/preempt/recovery/tls/psk",
	Doc:   "both connections break while the guest runs without all its RAM; the rest goes over two others, encrypted like the first",
	Needs: []Need{TLS, Userfaultfd, {Capability: PostcopyRAM}, {Capability: PostcopyPreempt}},
	Story: slices.Concat(Steps{UsePSK(false), Enable(PostcopyRAM), Enable(PostcopyPreempt)}, breaksTapped(), recoversEncrypted(4)),
}

// breaksTapped breaks the connections of a guest that runs on the destination.
func breaksTapped() Steps {
	return Steps{
		Set(MaxBandwidth, 100*MB), Set(MaxPostcopyBandwidth, 4096), unhurried(),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitPass(1).Allow(20 * time.Second), StartPostcopy(), BreakPostcopy(),
	}
}

// recoversEncrypted sends what is left over others, and looks at all that there were.
func recoversEncrypted(connections int) Steps {
	return Steps{
		ListenAgain(), LeadTap(), Resume(), Set(MaxPostcopyBandwidth, 0),
		AwaitSwitchover(), SeePostcopy(), SeeEncrypted(connections),
	}
}

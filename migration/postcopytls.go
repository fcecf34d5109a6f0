package migration

import "slices"

// What is sent after the guest is encrypted as well, and so is what is sent over the
// connections that take the place of those that broke.
func postcopyTLS() []Scenario {
	return []Scenario{postcopyTLSPlain, postcopyRecoveryTLS, postcopyPreemptTLS, postcopyPreemptRecoveryTLS}
}

// partOfPass is how much is sent of the first pass before the guest: to encrypt all of
// it twice takes time, and proves no more.
const partOfPass = 20 * MB

var postcopyTLSPlain = Scenario{
	Name:  "postcopy/tls/psk",
	Doc:   "the guest runs on the destination before its RAM is there, all of which is encrypted",
	Needs: []Need{TLS, Userfaultfd, {Capability: PostcopyRAM}},
	Story: Steps{
		UsePSK(false), Enable(PostcopyRAM), Set(MaxBandwidth, 300*MB), unhurried(),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitSent(partOfPass), StartPostcopy(),
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
		Set(MaxBandwidth, 300*MB), Set(MaxPostcopyBandwidth, 4096), unhurried(),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitSent(partOfPass), StartPostcopy(),
		AwaitUrgent(), Set(MaxPostcopyBandwidth, 0), AwaitSwitchover(), SeePostcopy(), SeePreemptChannel(urgent), SeeEncrypted(2),
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
		Set(MaxBandwidth, 300*MB), Set(MaxPostcopyBandwidth, 4096), unhurried(),
		Boot(), Listen(TCP), Tap(), Migrate(), AwaitSent(partOfPass), StartPostcopy(), BreakPostcopy(),
	}
}

// recoversEncrypted sends what is left over others, and looks at all that there were.
func recoversEncrypted(connections int) Steps {
	return Steps{
		ListenAgain(), LeadTap(), Resume(), Set(MaxPostcopyBandwidth, 0),
		AwaitSwitchover(), SeePostcopy(), SeeEncrypted(connections),
	}
}

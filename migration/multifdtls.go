package migration

import "slices"

// Each channel has a handshake of its own, and its own look at who is there.
func multifdTLSScenarios() []Scenario {
	return []Scenario{
		encryptedChannels("multifd/tcp/tls/psk/match", "four channels, each encrypted with a key that both sides have", UsePSK(false)),
		refusedChannels("multifd/tcp/tls/psk/mismatch", "the sides have different keys", UsePSK(true), survivesRefusal),
		encryptedChannels("multifd/tcp/tls/x509/default-host", "four channels, and the certificate names the address",
			UseX509(identities{Server: "127.0.0.1", Client: "friend", Verify: true})),
		encryptedChannels("multifd/tcp/tls/x509/override-host", "four channels, and the certificate names the host that the source was told to expect",
			UseX509(identities{Server: "drover.test", Expect: "drover.test", Client: "friend", Verify: true})),
		refusedChannels("multifd/tcp/tls/x509/mismatch-host", "the certificate names another host",
			UseX509(identities{Server: "drover.test", Client: "friend", Verify: true})),
		encryptedChannels("multifd/tcp/tls/x509/allow-anon-client", "four channels of a client without a certificate, where none is asked for",
			UseX509(identities{Server: "127.0.0.1"})),
		refusedChannels("multifd/tcp/tls/x509/reject-anon-client", "the client has no certificate, and is asked for one",
			UseX509(identities{Server: "127.0.0.1", Verify: true}), survivesRefusal),
	}
}

// survivesRefusal is what 5.2 does not do where the destination is the one who refuses,
// and its source then waits for ever.
var survivesRefusal = Need{Gone: 7, What: "a destination with channels is killed by SIGSEGV when it refuses a TLS handshake"}

func encryptedChannels(name, doc string, use Step) Scenario {
	return Scenario{
		Name: name, Doc: doc, Needs: []Need{TLS, {Capability: Multifd}},
		Story: slices.Concat(WithMultifd(use), movesEncrypted(TCP, 1+multifdChannels)),
	}
}

func refusedChannels(name, why string, use Step, needs ...Need) Scenario {
	s := refusedTLS(name, why, TCP, use)
	s.Needs = slices.Concat(s.Needs, []Need{{Capability: Multifd}}, needs)
	s.Story = slices.Concat(WithMultifd(), s.Story)
	return s
}

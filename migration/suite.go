package migration

import "slices"

// Suite returns the names of the scenarios that do what QEMU's own migration-test of
// that version does on x86_64 in a full run, without those tests that need KVM, a
// compressor that no distribution builds, or leave to be flaky. It returns nil for a
// version other than 7.2, which has 41 such tests, and 10.0, which has 75.
//
// Two names have changed since 7.2 (fd_proto is precopy/fd/tcp, multifd/tcp/plain/none is
// multifd/tcp/uri/plain/none); cancel/src/after/cancelling and cancelled of 10.0 are one
// here, and psk/match over tcp is psk.
func Suite(version string) []string {
	switch version {
	case "7.2":
		return bothSuites()
	case "10.0":
		return slices.Concat(bothSuites(), tenOnly())
	}
	return nil
}

func bothSuites() []string {
	return []string{
		"bad_dest", "validate_uuid", "validate_uuid_error", "validate_uuid_src_not_set", "validate_uuid_dst_not_set",
		"precopy/unix/plain", "precopy/unix/xbzrle", "precopy/tcp/plain", "precopy/fd/tcp", "auto_converge",
		"precopy/unix/tls/psk", "precopy/unix/tls/x509/default-host", "precopy/unix/tls/x509/override-host",
		"precopy/tcp/tls/psk", "precopy/tcp/tls/psk/mismatch",
		"precopy/tcp/tls/x509/default-host", "precopy/tcp/tls/x509/override-host", "precopy/tcp/tls/x509/mismatch-host",
		"precopy/tcp/tls/x509/friendly-client", "precopy/tcp/tls/x509/hostile-client",
		"precopy/tcp/tls/x509/allow-anon-client", "precopy/tcp/tls/x509/reject-anon-client",
		"multifd/tcp/uri/plain/none", "multifd/tcp/plain/cancel", "multifd/tcp/plain/zlib", "multifd/tcp/plain/zstd",
		"multifd/tcp/tls/psk/match", "multifd/tcp/tls/psk/mismatch",
		"multifd/tcp/tls/x509/default-host", "multifd/tcp/tls/x509/override-host", "multifd/tcp/tls/x509/mismatch-host",
		"multifd/tcp/tls/x509/allow-anon-client", "multifd/tcp/tls/x509/reject-anon-client",
		"postcopy/plain", "postcopy/recovery/plain", "postcopy/preempt/plain", "postcopy/preempt/recovery/plain",
		"postcopy/tls/psk", "postcopy/recovery/tls/psk", "postcopy/preempt/tls/psk", "postcopy/preempt/recovery/tls/psk",
	}
}

func tenOnly() []string {
	return []string{
		"analyze-script", "validate_uri/channels/both_set", "validate_uri/channels/none_set",
		"cancel/src/after/none", "cancel/src/after/setup", "cancel/src/after/active", "cancel/src/after/pre-switchover",
		"cancel/src/after/cancelled", "cancel/src/after/failed", "cancel/src/after/completed",
		"precopy/fd/file", "precopy/file", "precopy/file/offset", "precopy/file/offset/fdset", "precopy/file/offset/bad",
		"precopy/file/mapped-ram", "precopy/file/mapped-ram/live",
		"multifd/file/mapped-ram", "multifd/file/mapped-ram/live", "multifd/file/mapped-ram/dio",
		"multifd/file/mapped-ram/fdset", "multifd/file/mapped-ram/fdset/dio",
		"mode/transfer", "mode/transfer/defer",
		"multifd/tcp/channels/plain/none", "multifd/tcp/plain/zero-page/legacy", "multifd/tcp/plain/zero-page/none",
		"precopy/tcp/plain/switchover-ack", "precopy/unix/suspend/live", "precopy/unix/suspend/notlive",
		"postcopy/suspend", "postcopy/recovery/double-failures/handshake", "postcopy/recovery/double-failures/reconnect",
	}
}

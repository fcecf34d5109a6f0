package migration_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// requireNoticed runs a scenario with other steps, and demands that it fails with
// that witness.
func requireNoticed(t *testing.T, name, witness string, rewrite func(migration.Steps) migration.Steps) {
	t.Helper()
	requireNoticedIn(t, scenario(t, name), rewrite, witness)
}

// requireNoticedIn is requireNoticed of a scenario that need not be one of drover's.
func requireNoticedIn(t *testing.T, s migration.Scenario, rewrite func(migration.Steps) migration.Steps, witnesses ...string) {
	t.Helper()
	result := judged(t, s, migration.Options{
		Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(), Rewrite: rewrite,
	})
	if result.Outcome == record.Skip {
		t.Skip(result.Reason)
	}
	require.Equal(t, record.Fail, result.Outcome, explain(result))
	for _, witness := range witnesses {
		require.Contains(t, explain(result), witness)
	}
}

// without leaves one step out of a scenario.
func without(t *testing.T, name string) func(migration.Steps) migration.Steps {
	return func(all migration.Steps) migration.Steps {
		left := slices.DeleteFunc(slices.Clone(all), func(s migration.Step) bool { return s.Name == name })
		require.Len(t, left, len(all)-1)
		return left
	}
}

// TestFeatureThatDoesNothingIsNoticed leaves out the step that enables a
// feature, as if QEMU had accepted it and done nothing, and demands that the scenario
// sees from outside that it was not there.
func TestFeatureThatDoesNothingIsNoticed(t *testing.T) {
	long(t)
	for _, c := range []struct{ scenario, without, witness string }{
		{"precopy/file/mapped-ram", "enable mapped-ram", "is it a file of capability mapped-ram"},
		{"multifd/file/mapped-ram/live", "both: set multifd-channels 4", "threads that move pages on the source: 2"},
		{"multifd/file/mapped-ram/dio", "both: set direct-io true", "descriptors with O_DIRECT on the source: 0"},
		{"multifd/tcp/tls/psk/match", "use psk", "begin with a TLS handshake: 0"},
		{"postcopy/recovery/tls/psk", "use psk", "begin with a TLS handshake: 0"},
		{"multifd/tcp/plain/zlib/level", "set multifd-zlib-level 0", "for each page that isn't zero"},
		{"precopy/tcp/plain/switchover-ack", "enable switchover-ack", "switched over before pass 2"},
		{"limits/switchover-bandwidth", "set avail-switchover-bandwidth 250MB/s", "switched over before pass 2"},
		{"disk/dirty-bitmaps", "enable dirty-bitmaps", "the destination's image has no dirty bitmap sent"},
		{"announce", "destination: set announce-rounds 4", "announcements of the destination"},
		{"disk/dirty-bitmaps/transform", "enable dirty-bitmaps", "the destination's image has no dirty bitmap sent"},
		{"multifd/tcp/plain/zero-copy", "source: enable zero-copy-send", "ram.dirty-sync-missed-zero-copy in the source's query-migrate: 0"},
		{"multifd/tcp/plain/zstd/level", "set multifd-zstd-level 20", "for each page that isn't zero"},
		{"multifd/tcp/plain/zlib/level/best", "set multifd-zlib-level 9", "for each page that isn't zero"},
		{"auto_converge/threshold", "set throttle-trigger-threshold 100", "the source throttles the guest to 20 %"},
		{"run-state/guest-panicked", "enter guest-panicked", "was to be in guest-panicked as on the source"},
		{"mode/reboot", "enable x-ignore-shared", "size of the file"},
		{"mode/reboot", "both: set mode cpr-reboot", "active before its guest had stopped"},
		{"precopy/unix/suspend/live", "suspend", "the source's guest was to be suspended, and its run state is running"},
		{"precopy/unix/suspend/live", "wake the guest", "the destination does not run: its status is suspended"},
		{"precopy/unix/suspend/notlive", "suspend", "the source's guest was to be suspended, and its run state is running"},
		{"precopy/unix/suspend/notlive", "destination: cont", "suspended as it was on the source, and its run state is paused"},
		{"postcopy/suspend", "suspend", "the source's guest was to be suspended, and its run state is running"},
		{"postcopy/suspend", "migrate-start-postcopy", "sent after the guest: 0 bytes"},
	} {
		t.Run(c.scenario+"/"+c.without, func(t *testing.T) {
			t.Parallel()
			requireNoticed(t, c.scenario, c.witness, without(t, c.without))
		})
	}
}

// TestByteThatIsNotTheSourcesIsNamed changes a byte of the source's memory where it
// has to be what it was, and demands that the scenario names its address.
func TestByteThatIsNotTheSourcesIsNamed(t *testing.T) {
	long(t)
	const address = 0x9012345 // beyond the workload's
	for _, c := range []struct{ scenario, after, witness string }{
		{"precopy/file/mapped-ram", "await saved", "at 0x9012345 the source has 0x5a and the file 0x00, for it has no such page"},
		{"mode/reboot", "remember memory", "the first: that at 0x9012000"},
		{"mode/transfer", "hand over", "the first: that at 0x9012000"},
	} {
		t.Run(c.scenario, func(t *testing.T) {
			t.Parallel()
			requireNoticed(t, c.scenario, c.witness, after(c.after, func(ctx context.Context, p *migration.Pair) error {
				return p.Source.QTest().Writeb(ctx, address, 0x5a)
			}))
		})
	}
}

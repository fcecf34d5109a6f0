package steps_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/steps"
	"github.com/drover-vm/drover/protocol/qapi"
)

// TestLineThatAsksForNothingIsRefused gives lines about files, TLS, multifd and handing
// over wrong words, or puts them where they make no sense.
func TestLineThatAsksForNothingIsRefused(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"use psk twice":                                `"twice" is too much`,
		"use psk again":                                `makes no sense before "use psk"`,
		"use x509":                                     "server=HOST is missing",
		"use x509 verify":                              "server=HOST is missing",
		"use x509 server=a server=b":                   `"server=b" is too much`,
		"use x509 server=a server-is=old":              `"old" is nothing that a certificate can be: it is foreign or expired`,
		"use x509 server=a client-is=expired":          "client-is=expired wants a certificate",
		"use x509 server=a verified":                   `"verified" is too much`,
		"expect encrypted":                             "the number of connections is missing",
		"expect encrypted -1":                          "not the number of connections",
		"expect encrypted 1":                           `makes no sense before "tap"`,
		"expect no-cleartext":                          `makes no sense before "tap"`,
		"expect destination-empty":                     `makes no sense before "migrate"`,
		"expect channels page-bytes 1..2":              "not the number of channels",
		"expect channels 0 page-bytes 1..2":            "there is at least 1 channel",
		"expect channels 4 1..2":                       "page-bytes is missing",
		"expect channels 4 page-bytes 2..1":            "is no bound",
		"expect channels 4 page-bytes 1..2":            `makes no sense before "tap"`,
		"expect main-channel <= 1kB":                   `makes no sense before "tap"`,
		"expect sent <= 1kB":                           `makes no sense before "migrate"`,
		"save file":                                    `"file" is too much`,
		"save passed-file until":                       "the release of QEMU is missing",
		"save passed-file until ten":                   "is no release of QEMU",
		"await saved":                                  `makes no sense before "migrate"`,
		"load":                                         `makes no sense before "await saved"`,
		"load readers":                                 "the number of threads is missing",
		"load readers 4 fds 5":                         "direct is missing",
		"load readers 4 direct 0 fds 5":                "fds is missing",
		"load passed-file readers 4 fds 5 direct 0":    "is too much",
		"load passed-file until":                       "the release of QEMU is missing",
		"load until 10.1":                              "is too much",
		"expect writers 4 fds 5 direct 0":              "written is missing",
		"expect writers 4 fds 5 direct x written 1..2": "not the number of descriptors",
		"expect file-ram":                              `makes no sense before "await saved"`,
		"pass fdset":                                   `makes no sense before "create file"`,
		"remove fdset":                                 `makes no sense before "pass fdset"`,
		"expect file-header":                           `makes no sense before "write file-header"`,
		"expect file-truncated":                        `makes no sense before "write old-file"`,
		"expect file-size":                             "what it must be, such as >= 1000 is missing",
		"expect file-closed":                           `makes no sense before "await saved"`,
		"expect stream":                                `makes no sense before "await saved"`,
		"expect equal-devices":                         `makes no sense before "await saved"`,
		"expect known-vmstate":                         `makes no sense before "await saved"`,
		"launch destination tcp":                       `"tcp" is not where its stream comes from; it is one of unix, defer`,
		"hand over":                                    `makes no sense before "launch destination"`,
		"await monitor":                                `makes no sense before "launch destination"`,
		"listen behind-tap":                            `makes no sense before "await monitor"`,
		"expect stop-first":                            `makes no sense before "migrate"`,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			_, err := migration.Parse("x", "x", line+"\n", steps.Verbs())
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "x:1: ")
		})
	}
}

// TestFileThatIsNotWhatItShouldBeIsNamed runs scenarios whose lines are in an order that
// may make sense, and do not.
func TestFileThatIsNotWhatItShouldBeIsNamed(t *testing.T) {
	t.Parallel()
	const quick = "workload 256\nset downtime-limit 1m\nset max-bandwidth 1GB/s\n"
	for name, c := range map[string]struct{ text, want string }{
		"a header that is overwritten":      {quick + "boot\nwrite file-header\nsave\nawait saved\nexpect file-header\n", "which lie before the offset, were changed"},
		"a file that is written":            {quick + "boot\nwrite file-header\nsave\nawait saved\nexpect file-untouched\n", "the file was changed: it had 4096 bytes"},
		"a file that is not truncated":      {"boot\nwrite old-file\nexpect file-truncated\n", "the file has 4294967296 bytes"},
		"no file":                           {quick + "boot\nlisten unix\nmigrate\nawait saved\nexpect file-size = 0\n", "no such file"},
		"no stream":                         {quick + "boot\nlisten unix\ncreate file\nmigrate\nawait saved\nexpect stream\n", "the header"},
		"nothing saved":                     {quick + "boot\nlisten unix\nmigrate\nawait saved\nload\n", "the guest was not saved into a file"},
		"a file without mapped-ram":         {"needs capability mapped-ram since 9.0\n" + quick + "enable mapped-ram\nboot\ndisable mapped-ram\nmigrate file:{dir}/stream\nawait saved\nexpect file-ram\n", "is it a file of capability mapped-ram?"},
		"a wrong offset":                    {"needs schema \"migrate channels addr transport file\" since 8.2\n" + quick + "boot\nwrite file-header\nmigrate file:{dir}/stream,offset=0x800\nawait saved\nexpect file-header\n", "were changed"},
		"a destination that is not there":   {"use x509 server=a\nends without guest\n", "there is no destination yet"},
		"an fd set without destination":     {"create file\npass fdset\nends without guest\n", "there is no destination yet"},
		"no migration that has ended":       {"boot\nlisten tcp\nmigrate\nexpect sent <= 1kB\n", "no migration has ended"},
		"no RAM that both have":             {"boot\nexpect same-ram\n", "where one and the same was expected"},
		"a guest that was stopped late":     {quick + "boot\nlisten unix\nmigrate\nawait switchover\nexpect stop-first\n", "active before its guest had stopped"},
		"a destination that has the guest":  {quick + "boot\nlisten unix\nmigrate\nawait switchover\nexpect destination-empty\n", "which is the guest's"},
		"a fresh destination without a key": {quick + "use psk\nboot\nlisten tcp\nend destination\nstart destination\nlisten tcp\nmigrate\nawait switchover\n", "await switchover: waiting for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := migration.Parse("x", "x", c.text, steps.Verbs())
			require.NoError(t, err)
			result, err := s.Run(t.Context(), migration.Options{Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(), Budget: time.Minute})
			require.NoError(t, err)
			if result.Outcome == record.Skip {
				t.Skip(result.Reason)
			}
			require.Equal(t, record.Fail, result.Outcome, result.Reason)
			require.Contains(t, result.Record.Error, c.want)
		})
	}
}

// TestDestinationThatNobodyAwaitsEndsWithTheRun: it waits for what the source hands over,
// and the steps end before that.
func TestDestinationThatNobodyAwaitsEndsWithTheRun(t *testing.T) {
	t.Parallel()
	s, err := migration.Parse("x", "x", "needs parameter mode=cpr-transfer since 10.0\nram handed-over\nboot\nlaunch destination unix\nexpect run-state paused\n", steps.Verbs())
	require.NoError(t, err)
	result, err := s.Run(t.Context(), migration.Options{Source: qemutest.Binary(t, "x86_64"), Artifacts: t.TempDir(), Budget: time.Minute})
	require.NoError(t, err)
	if result.Outcome == record.Skip {
		t.Skip(result.Reason)
	}
	require.Equal(t, record.Fail, result.Outcome, result.Reason)
	require.Contains(t, result.Record.Error, "its run state is running")
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range commands {
		line, _ := os.ReadFile(path) // a process may end meanwhile
		require.NotContains(t, string(line), result.Dir, "a QEMU has outlived the run")
	}
}

// TestGoStepsOfFilesKeepToTheSameRules demands of the constructors what the parser demands
// of lines.
func TestGoStepsOfFilesKeepToTheSameRules(t *testing.T) {
	t.Parallel()
	all := migration.Steps{
		steps.Enable("mapped-ram"), steps.Boot(), steps.WriteFileHeader(), steps.PassFDSet(false), steps.PassFDSet(true),
		steps.Save(), steps.AwaitSaved(), steps.ExpectFileRAM(), steps.ExpectFileHeader(), steps.LoadWithReaders(steps.FileUse{Threads: 4, FDs: 5}),
		steps.AwaitArrival(), steps.ExpectEqualDevices(), steps.RemoveFDSet(), steps.ExpectFileClosed(),
		steps.LaunchDestination(steps.Deferred), steps.HoldTap(), steps.HandOver(), steps.AwaitMonitor(), steps.ListenBehindTap(),
		steps.UsePSK(true), steps.UsePSKAgain(),
	}
	all = append(all, steps.Multifd(4)...)
	require.NoError(t, migration.Scenario{Name: "mine", Steps: all}.Check())
	require.Equal(t, "load readers 4 fds 5 direct 0", all[9].Name)
	require.Equal(t, "set "+string(qapi.ParamMultifdChannels)+" 4", all[len(all)-1].Name)
	for _, early := range []migration.Step{steps.Load(), steps.LoadPassedFile(""), steps.ExpectStream(), steps.HandOver(), steps.UsePSKAgain(), steps.ExpectChannels(4, record.AtLeast(1))} {
		require.ErrorContains(t, migration.Scenario{Name: "mine", Steps: migration.Steps{early}}.Check(), "makes no sense before")
	}
}

package schema_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

func TestAPathLeadsSomewhereFromItsVersionOn(t *testing.T) {
	for path, since := range map[string]string{
		"migrate uri":                                                 "5.2",
		"migrate channels":                                            "10.0",
		"migrate channels channel-type":                               "10.0",
		"migrate channels addr transport socket":                      "10.0",
		"migrate channels addr path":                                  "10.0",
		"migrate channels addr transport=socket path":                 "10.0",
		"migrate channels addr transport=socket type=unix path":       "10.0",
		"migrate-set-parameters max-bandwidth":                        "5.2",
		"migrate-set-parameters multifd-compression zlib":             "5.2",
		"migrate-set-capabilities capabilities capability mapped-ram": "10.0",
		"migrate-set-capabilities capabilities state":                 "5.2",
		"object-add qom-type memory-backend-file":                     "7.2",
		"object-add qom-type=memory-backend-file mem-path":            "7.2",
		"query-migrate -> ram dirty-sync-missed-zero-copy":            "7.2",
		"query-migrate -> status postcopy-recover-setup":              "10.0",
		"query-migrate-parameters -> zero-page-detection":             "10.0",
		"MIGRATION status failing":                                    "11.1",
		"query-fdsets -> fds fd":                                      "5.2", // through two arrays
		"blockdev-add backing driver qcow2":                           "5.2", // through an alternate
		"STOP":                                                        "5.2",
	} {
		there := false
		for _, version := range versions() {
			there = there || version == since
			require.Equal(t, there, parsed(t, version).Has(path), "%s in %s", path, version)
		}
	}
}

func TestAPathThatLeadsNowhere(t *testing.T) {
	s := parsed(t, "11.1")
	for _, path := range []string{
		"", " ", "migrat", "migrate chanels", "migrate uri x", "migrate ->x", "migrate -> uri", "STOP -> x", "-> x", "migrate detach",
		"migrate channels channel-type main x", "migrate channels addr transport=nothing", "migrate channels addr transport=file path",
		"migrate channels addr host=x", "stop x", "query-status -> status running x",
	} {
		require.False(t, s.Has(path), path)
		item, ok := s.Find(path)
		require.False(t, ok)
		require.Zero(t, item)
	}
}

func TestAPathTellsWhatItLeadsTo(t *testing.T) {
	s := parsed(t, "11.1")
	item, ok := s.Find("migrate uri")
	require.True(t, ok)
	require.True(t, item.Optional)
	require.Equal(t, "str", item.Type.String())
	item, ok = s.Find("migrate channels addr")
	require.True(t, ok)
	require.False(t, item.Optional)
	require.Equal(t, schema.Object, item.Type.Meta)

	require.True(t, s.HasFeature("query-migrate -> postcopy-latency", schema.Unstable))
	require.False(t, s.HasFeature("query-migrate -> downtime", schema.Unstable))
	require.True(t, s.HasFeature("query-kvm", schema.Deprecated))
	require.True(t, s.HasFeature("migrate-set-capabilities capabilities capability x-colo", schema.Unstable), "a value")
	require.False(t, s.HasFeature("no such command", schema.Deprecated))
	require.True(t, s.Command("migrate-recover").OOB)
	require.False(t, s.Command("migrate").OOB)
	require.Nil(t, s.Command("STOP"))
	require.Nil(t, s.Event("stop"))
}

func TestCompletionOffersWhatLeadsOn(t *testing.T) {
	s := parsed(t, "11.1")
	for line, want := range map[string][]string{
		"migrate-rec":                           {"migrate-recover"},
		"STO":                                   {"STOP"},
		"migrate ":                              {"uri", "channels", "resume"},
		"migrate c":                             {"channels"},
		"migrate channels addr transport ":      {"socket", "exec", "rdma", "file"},
		"migrate channels addr transport=file ": {"transport", "filename", "offset"},
		"migrate-set-capabilities capabilities capability map": {"mapped-ram"},
		"migrate-set-parameters multifd-z":                     {"multifd-zlib-level", "multifd-zstd-level"},
		"query-status -> ":                                     {"running", "status"},
		"stop ":                                                nil,
		"nothing ":                                             nil,
		"migrate nothing ":                                     nil,
		"nothing":                                              {},
	} {
		require.Equal(t, want, s.Complete(line), "%q", line)
	}
	require.Len(t, s.Complete(""), len(s.Commands())+len(s.Events()))
}

// Every path that completion offers leads somewhere.
func TestWhatIsOfferedIsFound(t *testing.T) {
	for _, version := range versions() {
		s := parsed(t, version)
		for _, name := range s.Complete("") {
			for _, word := range s.Complete(name + " ") {
				path := fmt.Sprintf("%s %s", name, word)
				require.True(t, s.Has(path), path)
			}
		}
	}
}

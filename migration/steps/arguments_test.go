package steps_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/steps"
)

// TestLinesThatMakeNoSenseAreRefused before anything is started, with what would be right.
func TestLinesThatMakeNoSenseAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"no throttle":                  {"await throttle", "how far is missing; write: await throttle PERCENT [after PERCENT], for instance await throttle 90% after 5%"},
		"more than all":                {"await throttle 101%", `"101%" is not how far: a percentage`},
		"a throttle of nothing":        {"boot\nlisten unix\nmigrate\nawait throttle 5%", `it:4: "await throttle 5%" makes no sense before "enable auto-converge"`},
		"a speed that was not noted":   {"boot\nexpect full-speed", `it:2: "expect full-speed" makes no sense before "note guest-speed"`},
		"a rate that was not noted":    {"boot\nawait dirty-rate 40MB/s", `makes no sense before "note dirty-rate"`},
		"a limit in words":             {"set-vcpu-dirty-limit 20MB/s", `"20MB/s" is not the limit, in MB a second: a whole number`},
		"a limit that is not there":    {"cancel-vcpu-dirty-limit", `makes no sense before "set-vcpu-dirty-limit"`},
		"an image that is not there":   {"attach image", `makes no sense before "create image"`},
		"an image that nobody has":     {"create image\nqemu-io flush", `makes no sense before "attach image"`},
		"storage that can't fail":      {"create image\nattach image\nfail storage", `it:3: "fail storage" makes no sense before "attach image failing"`},
		"a command with quotes":        {`qemu-io "read \"x\""`, "has quotes, backslashes or line ends"},
		"a command of two lines":       {`qemu-io "flush\nquit"`, "has quotes, backslashes or line ends"},
		"a command without quotes":     {"qemu-io read 0 1M", `"0 1M" is too much; write: qemu-io COMMAND, for instance destination: qemu-io "read -P 0x5a 0 1M"`},
		"suspended without suspend":    {"boot\nends suspended", `it:2: "ends suspended" makes no sense without "suspend"`},
		"no last line":                 {"boot\nsuspend\nends suspended\ncont", `it:4: "cont" comes behind "ends suspended", which must be the last line`},
		"an arrival of nobody":         {"boot\nexpect equal-memory", `makes no sense before "await arrival"`},
		"no such pattern":              {"boot\nwrite page-pattern 4", "there is no page pattern 4: the patterns are 0 to 3"},
		"a pattern that was not there": {"boot\nchange page-pattern 2", `makes no sense before "write page-pattern"`},
		"data that was not there":      {"boot\nexpect data-sent", `makes no sense before "fill memory"`},
		"resources not noted":          {"boot\nexpect resources", `makes no sense before "note resources"`},
		"no xbzrle":                    {"boot\nlisten unix\nmigrate\nexpect xbzrle-pages >= 1", `makes no sense before "enable xbzrle"`},
		"no bounds":                    {"expect xbzrle-page-bytes 32", `"32" is no bound`},
		"no member, but a bound":       {"expect query-migrate >= 5", `">=" is no member of query-migrate, such as ram.remaining`},
		"a member without a name":      {"await query-migrate ram. = 0", `"ram." is no member of query-migrate`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := migration.Parse("it", "it", c.text, steps.Verbs())
			require.ErrorContains(t, err, c.says)
			var line *migration.LineError
			require.ErrorAs(t, err, &line)
		})
	}
}

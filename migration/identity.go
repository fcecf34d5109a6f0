package migration

import (
	"context"
	"fmt"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// What both sides are told beforehand, and what a migration is told, have to fit.
func identity() []Scenario {
	return []Scenario{validateUUID, validateUUIDError, validateUUIDSourceNotSet, validateUUIDDestinationNotSet, validateBothSet, validateNoneSet}
}

const (
	oneUUID     = "11111111-1111-1111-1111-111111111111"
	anotherUUID = "22222222-2222-2222-2222-222222222222"
)

func withUUID(uuid string) Guest { return Guest{Args: []string{"-uuid", uuid}} }

var validateUUID = Scenario{
	Name:   "validate_uuid",
	Doc:    "both sides have the same UUID, and it is compared",
	Needs:  []Need{{Capability: ValidateUUID}},
	Source: withUUID(oneUUID), Destination: withUUID(oneUUID),
	Story: Steps{
		Enable(ValidateUUID), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitSwitchover(),
	},
}

var validateUUIDError = Scenario{
	Name:   "validate_uuid_error",
	Doc:    "the sides have different UUIDs: the destination refuses the guest, which runs on",
	Needs:  []Need{{Capability: ValidateUUID}},
	Source: withUUID(oneUUID), Destination: withUUID(anotherUUID),
	Ends: record.OnSource,
	Story: Steps{
		Enable(ValidateUUID), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitRefusal("the sides have different UUIDs"), DestinationGivesUp(oneUUID, anotherUUID),
	},
}

var validateUUIDSourceNotSet = Scenario{
	Name:        "validate_uuid_src_not_set",
	Doc:         "only the destination has a UUID: there is nothing to compare it with",
	Needs:       []Need{{Capability: ValidateUUID}},
	Destination: withUUID(oneUUID),
	Story: Steps{
		Enable(ValidateUUID), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitSwitchover(),
	},
}

var validateUUIDDestinationNotSet = Scenario{
	Name:   "validate_uuid_dst_not_set",
	Doc:    "only the source has a UUID: the destination takes the guest, and warns",
	Needs:  []Need{{Capability: ValidateUUID}},
	Source: withUUID(oneUUID),
	Story: Steps{
		Enable(ValidateUUID), atAnyDowntime(), Set(MaxBandwidth, 1*GB),
		Boot(), Listen(Unix), Migrate(), AwaitSwitchover(), SeeWarning(oneUUID),
	},
}

// SeeWarning demands that the destination's error output names something.
func SeeWarning(word string) Step {
	return Step{Name: "see the destination warn", Do: func(_ context.Context, p *Pair) error {
		if said := p.Destination.Stderr(); !strings.Contains(said, word) {
			return fmt.Errorf("the destination's error output does not warn of %s: %q", word, said)
		}
		return nil
	}}
}

// ChannelsArgument is a list of channels in place of a URI.
var ChannelsArgument = Need{Schema: "migrate channels", What: "argument channels of migrate"}

var validateBothSet = Scenario{
	Name:  "validate_uri/channels/both_set",
	Doc:   "a migration that is given a URI and channels is refused",
	Needs: []Need{ChannelsArgument},
	Ends:  record.OnSource,
	Story: Steps{
		Boot(), Listen(Unix),
		MigrateRefused("a URI and channels", func(p *Pair) qapi.MigrateArguments {
			return qapi.MigrateArguments{URI: p.uri, Channels: []qapi.MigrationChannel{qapi.UnixChannel(p.path("migration.sock"))}}
		}),
		SeeNothingBegan(),
	},
}

var validateNoneSet = Scenario{
	Name:  "validate_uri/channels/none_set",
	Doc:   "a migration that is given neither a URI nor channels is refused",
	Needs: []Need{ChannelsArgument},
	Ends:  record.OnSource,
	Story: Steps{
		Boot(), Listen(Unix),
		MigrateRefused("neither a URI nor channels", func(*Pair) qapi.MigrateArguments { return qapi.MigrateArguments{} }),
		SeeNothingBegan(),
	},
}

// MigrateRefused demands that a migration with these arguments is answered with
// an error.
func MigrateRefused(what string, to func(p *Pair) qapi.MigrateArguments) Step {
	return Step{Name: "migrate with " + what, Do: func(ctx context.Context, p *Pair) error {
		return refused(qapi.Migrate(ctx, p.Source.QMP(), to(p)), what)
	}}
}

package migration

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"
)

// A Parameter is one of QEMU's migration parameters.
type Parameter string

const (
	DowntimeLimit Parameter = "downtime-limit" // a time.Duration, to the millisecond
	MaxBandwidth  Parameter = "max-bandwidth"  // bytes a second

	MaxPostcopyBandwidth Parameter = "max-postcopy-bandwidth" // bytes a second, 0 for no limit

	MultifdChannels    Parameter = "multifd-channels"
	MultifdCompression Parameter = "multifd-compression"
	ZeroPages          Parameter = "zero-page-detection"

	XBZRLECacheSize Parameter = "xbzrle-cache-size" // bytes, a power of two
)

// Bandwidths, in bytes a second.
const (
	MB = 1000 * 1000
	GB = 1000 * MB
)

// A Capability is one of QEMU's migration capabilities.
type Capability string

const (
	PostcopyRAM       Capability = "postcopy-ram"
	PostcopyBlocktime Capability = "postcopy-blocktime"
	XBZRLE            Capability = "xbzrle"
	ValidateUUID      Capability = "validate-uuid"
	PostcopyPreempt   Capability = "postcopy-preempt"
	Multifd           Capability = "multifd"
	IgnoreShared      Capability = "x-ignore-shared"
	PauseBefore       Capability = "pause-before-switchover"
)

// Set gives the source's parameter a value, also while a migration is under
// way, and reads it back.
func Set(parameter Parameter, value any) Step {
	return Step{Name: fmt.Sprintf("set %s to %v", parameter, value), Do: func(ctx context.Context, p *Pair) error {
		return p.setOnSource(ctx, parameter, value)
	}}
}

// SetOnBoth is Set for a parameter that both sides have to agree on.
func SetOnBoth(parameter Parameter, value any) Step {
	return Step{Name: fmt.Sprintf("set %s to %v on both", parameter, value), Do: func(ctx context.Context, p *Pair) error {
		if err := p.Destination.set(ctx, parameter, value); err != nil {
			return err
		}
		return p.setOnSource(ctx, parameter, value)
	}}
}

// setOnSource is what the checks are told of.
func (p *Pair) setOnSource(ctx context.Context, parameter Parameter, value any) error {
	if parameter == MaxBandwidth {
		p.noteThroughput()
	}
	if p.Facts.Parameters == nil {
		p.Facts.Parameters = map[string]json.RawMessage{}
	}
	var err error
	if p.Facts.Parameters[string(parameter)], err = parameterText(value); err != nil {
		return err
	}
	return p.Source.set(ctx, parameter, value)
}

// parameterText is a value as QEMU takes it, and gives it back.
func parameterText(value any) (json.RawMessage, error) {
	if d, ok := value.(time.Duration); ok {
		value = d.Milliseconds()
	}
	return json.Marshal(value)
}

func (s *Side) set(ctx context.Context, parameter Parameter, value any) error {
	text, err := parameterText(value)
	if err != nil {
		return err
	}
	if err := qapi.SetMigrateParameters(ctx, s.QMP(), map[string]any{string(parameter): text}); err != nil {
		return err
	}
	return parameterIs(ctx, s, parameter, string(text))
}

// parameterIs reads a parameter and compares it with the JSON text expected.
func parameterIs(ctx context.Context, s *Side, parameter Parameter, want string) error {
	var all map[string]json.RawMessage
	if err := s.QMP().Execute(ctx, "query-migrate-parameters", nil, &all); err != nil {
		return err
	}
	if got := string(all[string(parameter)]); got != want {
		return fmt.Errorf("the %s's %s was set to %s and reads back %q", s.Name(), parameter, want, got)
	}
	return nil
}

// Enable turns a capability on, on both sides.
func Enable(capability Capability) Step {
	return Step{Name: "enable " + string(capability), Do: func(ctx context.Context, p *Pair) error {
		return p.OnBoth(ctx, func(ctx context.Context, s *Side) error { return s.turn(ctx, capability, true) })
	}}
}

// EnableOnDestination turns on a capability that concerns only who receives.
func EnableOnDestination(capability Capability) Step {
	return Step{Name: "enable " + string(capability) + " on the destination", Do: func(ctx context.Context, p *Pair) error {
		return p.Destination.turn(ctx, capability, true)
	}}
}

// Disable turns a capability off again, on the source.
func Disable(capability Capability) Step {
	return Step{Name: "disable " + string(capability), Do: func(ctx context.Context, p *Pair) error {
		return p.Source.turn(ctx, capability, false)
	}}
}

// turn turns a capability on or off, and reads it back.
func (s *Side) turn(ctx context.Context, capability Capability, on bool) error {
	if err := qapi.SetMigrateCapabilities(ctx, s.QMP(), map[string]bool{string(capability): on}); err != nil {
		return err
	}
	all, err := qapi.QueryMigrateCapabilities(ctx, s.QMP())
	if err == nil && all[string(capability)] != on {
		err = fmt.Errorf("the %s's capability %s was set to %t, and reads back as it was", s.Name(), capability, on)
	}
	return err
}

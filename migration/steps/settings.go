package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
)

// Sizes, and bandwidths in bytes a second.
const (
	MB = 1000 * 1000
	GB = 1000 * MB
)

func settingVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "set", Args: "PARAMETER VALUE", Sides: migration.OnSource,
			Doc:     "Gives a migration parameter a value, also while a migration is under way, and reads it back; times go as milliseconds, sizes as bytes, and a value in quotes as a string.",
			Example: "set downtime-limit 300ms",
			Step: func(a *migration.Args) migration.Step {
				return setOn(a.Side(), a.Parameter(), a.Value())
			},
		},
		{
			Name: "enable", Args: "CAPABILITY... [since RELEASE]", Sides: migration.OnBothSides,
			Doc:     "Turns migration capabilities on, one after another, and reads them back; with since, a QEMU older than that may refuse, and then can't do the scenario.",
			Example: "enable postcopy-ram",
			Step: func(a *migration.Args) migration.Step {
				all := []qapi.Capability{a.Capability()}
				for a.More() {
					if since := a.Since(); since != "" {
						return enableSince(a.Side(), since, all)
					}
					all = append(all, a.Capability())
				}
				return enableOn(a.Side(), all)
			},
		},
		{
			Name: "disable", Args: "CAPABILITY", Sides: migration.OnSource,
			Doc: "Turns a migration capability off, and reads it back; each is as QEMU has it, mostly off, until a file turns it on.", Example: "disable pause-before-switchover",
			Step: func(a *migration.Args) migration.Step {
				name, side := a.Capability(), a.Side()
				return step("disable "+string(name), func(ctx context.Context, p *migration.Pair) error {
					return each(p, side, func(s *migration.Side) error { return setCapability(ctx, s, name, false) })
				})
			},
		},
		{
			Name: "migrate_set_parameter", Args: "PARAMETER VALUE is VALUE", Sides: migration.OnSource,
			Doc:     "Gives a migration parameter a value by the human monitor, which has units of its own, and reads it back as QMP has it.",
			Example: "migrate_set_parameter max-bandwidth 100 is 104857600",
			Step: func(a *migration.Args) migration.Step {
				side, parameter, value := a.Side(), a.Parameter(), a.Word("the value")
				if !a.Option("is") {
					a.Fail("what it is by QMP is missing: is 104857600")
				}
				return setByMonitor(side, parameter, value, strconv.Itoa(a.Int("what it is by QMP")))
			},
		},
		{
			Name: "migrate_set_downtime", Args: "SECONDS",
			Doc:     "Sets the downtime limit by the command that QEMU had up to 5.2; where it was removed (CommandNotFound), by the parameter, which must take the same value.",
			Example: "migrate_set_downtime 0.12345",
			Step: func(a *migration.Args) migration.Step {
				return setByOldCommand("migrate_set_downtime", a.Word("the downtime"), qapi.ParamDowntimeLimit)
			},
		},
		{
			Name: "migrate_set_speed", Args: "BYTES",
			Doc:     "Sets the bandwidth by the command that QEMU had up to 5.2; where it was removed (CommandNotFound), by the parameter, which must take the same value.",
			Example: "migrate_set_speed 12345",
			Step: func(a *migration.Args) migration.Step {
				return setByOldCommand("migrate_set_speed", a.Word("the bandwidth"), qapi.ParamMaxBandwidth)
			},
		},
	}
}

// EnsureNonConverge lets a live guest dirty its RAM faster than what is left of it can
// be sent within the downtime limit, so no pass is the last.
func EnsureNonConverge() migration.Step { return Set(qapi.ParamDowntimeLimit, time.Millisecond) }

// UnlimitedDowntime lets a migration switch over after the pass that it is in, in scenarios
// that are not about how long the guest is paused: on a busy machine it may be long.
func UnlimitedDowntime() migration.Step { return Set(qapi.ParamDowntimeLimit, time.Minute) }

// Set gives the source's parameter a value, also while a migration is under way, and
// reads it back. A [time.Duration] goes as milliseconds.
func Set(parameter qapi.Parameter, value any) migration.Step {
	if d, ok := value.(time.Duration); ok {
		value = d.Milliseconds()
	}
	text, err := json.Marshal(value)
	set := setOn(migration.SourceName, parameter, text)
	if err != nil {
		set.Do = func(context.Context, *migration.Pair) error { return err }
	}
	return set
}

func setOn(side string, parameter qapi.Parameter, value json.RawMessage) migration.Step {
	return step(fmt.Sprintf("set %s %s", parameter, value), func(ctx context.Context, p *migration.Pair) error {
		// The destination first: it refuses what the source would take for nothing.
		if side != migration.SourceName {
			if err := set(ctx, p.Destination, parameter, value); err != nil {
				return err
			}
		}
		if side == migration.DestinationName {
			return nil
		}
		if parameter == qapi.ParamMaxBandwidth {
			noteThroughput(p)
		}
		if p.Facts.Parameters == nil {
			p.Facts.Parameters = map[string]json.RawMessage{}
		}
		p.Facts.Parameters[string(parameter)] = value
		return set(ctx, p.Source, parameter, value)
	})
}

func set(ctx context.Context, s *migration.Side, parameter qapi.Parameter, value json.RawMessage) error {
	if s == nil {
		return errors.New("that side is not there yet")
	}
	if err := qapi.SetMigrateParameters(ctx, s.QMP(), map[string]any{string(parameter): value}); err != nil {
		return err
	}
	return parameterIs(ctx, s, parameter, string(value))
}

// setByMonitor sets a parameter by the human monitor's command.
func setByMonitor(side string, parameter qapi.Parameter, value, want string) migration.Step {
	command := fmt.Sprintf("migrate_set_parameter %s %s", parameter, value)
	return step(command, func(ctx context.Context, p *migration.Pair) error {
		return each(p, side, func(s *migration.Side) error {
			output, err := qapi.HumanMonitor(ctx, s.QMP(), command)
			if err == nil && output != "" {
				err = fmt.Errorf("%s of the %s: %s", command, s.Name(), output)
			}
			if err != nil {
				return err
			}
			return parameterIs(ctx, s, parameter, want)
		})
	})
}

// parameterIs reads a parameter and compares it with the JSON text expected.
func parameterIs(ctx context.Context, s *migration.Side, parameter qapi.Parameter, want string) error {
	all, err := qapi.QueryMigrateParameters(ctx, s.QMP())
	if err != nil {
		return err
	}
	got := string(all[string(parameter)])
	if !sameJSON(got, want) {
		return fmt.Errorf("the %s's %s was set to %s and reads back %q", s.Name(), parameter, want, got)
	}
	return nil
}

// sameJSON reports whether two JSON texts differ by no more than blanks.
func sameJSON(a, b string) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, []byte(a)) == nil && json.Compact(&y, []byte(b)) == nil && x.String() == y.String()
}

// limit is what the source's parameter was set to last; 0 where it was not.
func limit(p *migration.Pair, parameter qapi.Parameter) (value float64) {
	_ = json.Unmarshal(p.Facts.Parameters[string(parameter)], &value)
	return value
}

// Enable enables a capability on both sides.
func Enable(capability qapi.Capability) migration.Step {
	return enableOn(migration.BothName, []qapi.Capability{capability})
}

func enableOn(side string, capabilities []qapi.Capability) migration.Step {
	gives := []string{}
	for _, c := range capabilities {
		gives = append(gives, "enable "+string(c))
	}
	enable := step("enable "+names(capabilities), func(ctx context.Context, p *migration.Pair) error {
		enable := func(ctx context.Context, s *migration.Side) error {
			for _, c := range capabilities {
				if err := setCapability(ctx, s, c, true); err != nil {
					return err
				}
			}
			return nil
		}
		if side == migration.BothName {
			return p.OnBoth(ctx, enable)
		}
		return each(p, side, func(s *migration.Side) error { return enable(ctx, s) })
	})
	enable.Gives = gives
	return enable
}

// enableSince is the same for capabilities that not every QEMU takes together, which
// its schema does not show it.
func enableSince(side string, since migration.Release, capabilities []qapi.Capability) migration.Step {
	enable := enableOn(side, capabilities)
	all := enable.Do
	enable.Do = func(ctx context.Context, p *migration.Pair) error {
		err := all(ctx, p)
		if refused, ok := errors.AsType[*qmp.Error](err); ok {
			return p.Source.RefusedSince(refused.Desc, since, "")
		}
		return err
	}
	return enable
}

func names(capabilities []qapi.Capability) string {
	var all []string
	for _, c := range capabilities {
		all = append(all, string(c))
	}
	return strings.Join(all, " ")
}

// setCapability enables or disables a capability, and reads it back.
func setCapability(ctx context.Context, s *migration.Side, capability qapi.Capability, on bool) error {
	if err := qapi.SetMigrateCapabilities(ctx, s.QMP(), map[string]bool{string(capability): on}); err != nil {
		return err
	}
	all, err := qapi.QueryMigrateCapabilities(ctx, s.QMP())
	if err == nil && all[string(capability)] != on {
		err = fmt.Errorf("the %s's capability %s was set to %t, and reads back as it was", s.Name(), capability, on)
	}
	return err
}

// setByOldCommand gives a value through a command that later QEMUs no longer have;
// there, the parameter itself must take the same value.
func setByOldCommand(command, value string, parameter qapi.Parameter) migration.Step {
	return step(command+" "+value, func(ctx context.Context, p *migration.Pair) error {
		x, err := json.Number(value).Float64()
		if err != nil {
			return fmt.Errorf("%q is no number", value)
		}
		if parameter == qapi.ParamDowntimeLimit {
			x *= 1000 // it is given in seconds, and kept in whole milliseconds
		}
		reads := fmt.Sprintf("%d", int64(x))
		err = p.Source.Execute(ctx, command, map[string]any{"value": json.Number(value)})
		if qmp.NoSuchCommand(err) {
			return setOn(migration.SourceName, parameter, json.RawMessage(reads)).Do(ctx, p)
		}
		if err != nil {
			return err
		}
		return parameterIs(ctx, p.Source, parameter, reads)
	})
}

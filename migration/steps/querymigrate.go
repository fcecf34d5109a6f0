package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

func queryMigrateVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "await query-migrate", Args: "MEMBER BOUNDS [within TIME]", Sides: migration.OnSource,
			Doc:     "Waits until that member of a side's query-migrate is within the bounds: a number, or how many entries a list has; a dot leads into an object.",
			Example: "await query-migrate cpu-throttle-percentage 21..98",
			Step: func(a *migration.Args) migration.Step {
				return timed(a, queryMigrate(a, AwaitQueryMigrate))
			},
		},
		{
			Name: "expect query-migrate", Args: "MEMBER BOUNDS", Sides: migration.OnSource,
			Doc:     "What that member of a side's query-migrate is now: a number, or how many entries a list has; a dot leads into an object.",
			Example: "expect query-migrate blocked-reasons = 1",
			Step: func(a *migration.Args) migration.Step {
				return queryMigrate(a, ExpectQueryMigrate)
			},
		},
	}
}

func queryMigrate(a *migration.Args, step func(side, member string, bounds record.Bounds) migration.Step) migration.Step {
	member := a.Word("the member")
	if strings.ContainsAny(member, "<>=") || slices.Contains(strings.Split(member, "."), "") {
		a.Fail("%q is no member of query-migrate, such as ram.remaining", member)
	}
	return step(a.Side(), member, a.Bounds())
}

// AwaitQueryMigrate waits until that member of a side's query-migrate is within the bounds.
// The side is one of the prefixes of a line; a dot in the member leads into an object. A
// member that QEMU leaves out may still come.
func AwaitQueryMigrate(side, member string, bounds record.Bounds) migration.Step {
	return step("await query-migrate "+member, func(ctx context.Context, p *migration.Pair) error {
		return each(p, side, func(s *migration.Side) error {
			last := "was never there"
			err := migration.Poll(ctx, "query-migrate's "+member, func() (bool, error) {
				reply, err := queryMigrateReply(ctx, s)
				if err != nil {
					return false, err
				}
				value, there, err := memberOf(reply, member)
				if there && err == nil {
					last = fmt.Sprintf("is %g", value)
				}
				return there && within(value, bounds), err
			})
			if err != nil {
				err = fmt.Errorf("the %s's query-migrate: %s %s, expected %v: %w", s.Name(), member, last, bounds, err)
			}
			return err
		})
	})
}

// ExpectQueryMigrate gathers what that member of a side's query-migrate is now. The side is
// one of the prefixes of a line; a dot in the member leads into an object.
func ExpectQueryMigrate(side, member string, bounds record.Bounds) migration.Step {
	return step("expect query-migrate "+member, func(ctx context.Context, p *migration.Pair) error {
		return each(p, side, func(s *migration.Side) error {
			reply, err := queryMigrateReply(ctx, s)
			if err != nil {
				return err
			}
			value, there, err := memberOf(reply, member)
			switch {
			case err != nil:
				return fmt.Errorf("the %s's query-migrate: %w", s.Name(), err)
			case !there:
				return fmt.Errorf("the %s's query-migrate has no %s: it has %s", s.Name(), member, strings.Join(slices.Sorted(maps.Keys(reply)), ", "))
			}
			p.Measure(fmt.Sprintf("%s in the %s's query-migrate", member, s.Name()), value, "by its own count", bounds)
			return nil
		})
	})
}

func queryMigrateReply(ctx context.Context, s *migration.Side) (reply map[string]json.RawMessage, err error) {
	err = s.QMP().Execute(ctx, "query-migrate", nil, &reply)
	return reply, err
}

// memberOf is the number at a path of names with dots between them, or how many entries the
// list there has. It is an error that something else is there.
func memberOf(reply map[string]json.RawMessage, path string) (value float64, there bool, err error) {
	name, rest, deeper := strings.Cut(path, ".")
	text, there := reply[name]
	if !there {
		return 0, false, nil
	}
	if deeper {
		var inner map[string]json.RawMessage
		if json.Unmarshal(text, &inner) != nil || inner == nil {
			return 0, false, fmt.Errorf("%s is %.40s, expected an object with %s", name, text, rest)
		}
		return memberOf(inner, rest)
	}
	var list []json.RawMessage
	if json.Unmarshal(text, &list) == nil && list != nil {
		return float64(len(list)), true, nil
	}
	if string(text) == "null" || json.Unmarshal(text, &value) != nil {
		return 0, false, fmt.Errorf("%s is %.40s, expected a number or a list", name, text)
	}
	return value, true, nil
}

func within(value float64, bounds record.Bounds) bool {
	return (bounds.Min == nil || value >= *bounds.Min) && (bounds.Max == nil || value <= *bounds.Max)
}

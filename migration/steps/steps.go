package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// Verbs is all that a scenario file can say.
func Verbs() migration.Vocabulary {
	return slices.Concat(
		migration.Declarations(),
		settingVerbs(),
		guestVerbs(),
		listenVerbs(),
		migrateVerbs(),
		waitVerbs(),
		linkVerbs(),
		throughputVerbs(),
		faultVerbs(),
		postcopyVerbs(),
		fileVerbs(),
		mappedFileVerbs(),
		streamVerbs(),
		tlsVerbs(),
		multifdVerbs(),
		handoverVerbs(),
		successorVerbs(),
		limitFilesVerbs(),
		dmaVerbs(),
		displayVerbs(),
		consoleVerbs(),
		flashVerbs(),
		tpmVerbs(),
		throttleVerbs(),
		dirtyVerbs(),
		calcDirtyRateVerbs(),
		diskVerbs(),
		mirrorVerbs(),
		suspendVerbs(),
		balloonVerbs(),
		linuxVerbs(),
		limitVerbs(),
		exactVerbs(),
		memoryMapVerbs(),
		patternVerbs(),
		deviceMemoryVerbs(),
		resourceVerbs(),
		xbzrleVerbs(),
		queryMigrateVerbs(),
		pulseVerbs(),
		costVerbs(),
		runStateVerbs(),
		socketVerbs(),
		guestRateVerbs(),
		announceVerbs(),
		answerVerbs(),
		numberVerbs(),
		releasedVerbs(),
		bitmapVerbs(),
		fileThroughputVerbs(),
		guestTimeVerbs(),
		failoverVerbs(),
		generationIDVerbs(),
		snapshotVerbs(),
		featureVerbs(),
	)
}

// do is the step of a verb that takes no words.
func do(make func() migration.Step) func(*migration.Args) migration.Step {
	return func(*migration.Args) migration.Step { return make() }
}

// side is the one of a pair that a prefix names.
func side(p *migration.Pair, name string) *migration.Side {
	if name == migration.DestinationName {
		return p.Destination
	}
	return p.Source
}

// sides are those that a prefix names.
func sides(p *migration.Pair, name string) []*migration.Side {
	if name == migration.BothName {
		return p.Sides()
	}
	return []*migration.Side{side(p, name)}
}

// refused demands that a command was answered with an error.
func refused(err error, what string) error {
	if err == nil {
		return fmt.Errorf("QEMU took %s, where an error was expected", what)
	}
	if _, ok := errors.AsType[*qmp.Error](err); ok {
		return nil
	}
	return err
}

// each does something on every side that a prefix names.
func each(p *migration.Pair, name string, do func(s *migration.Side) error) error {
	for _, s := range sides(p, name) {
		if s == nil {
			return fmt.Errorf("there is no %s yet", name)
		}
		if err := do(s); err != nil {
			return err
		}
	}
	return nil
}

// step makes one without a name of its own: its line in a scenario file is its name.
func step(name string, run func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return migration.Step{Name: name, Do: run}
}

// gathering is the step, which puts a fact into the record that not every run gathers.
func gathering(fact record.Fact, s migration.Step) migration.Step {
	s.Gathers = append(s.Gathers, fact)
	return s
}

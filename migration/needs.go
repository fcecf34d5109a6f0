package migration

import (
	"context"
	"fmt"
	"sync"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// A Need is something that a scenario can't do without. Each is asked of who
// knows it: the host before anything is started, the QEMUs once they answer.
type Need struct {
	// Host returns one sentence that says what this host lacks and how to get
	// it, "" where it lacks nothing. May be nil.
	Host func() string
	// Capability is a migration capability that both QEMUs must know.
	Capability Capability
	// Arch says which targets will do; nil is all.
	Arch func(arch string) bool
	// Schema is the path to something in QMP's schema that both QEMUs must
	// have, and What says what that is, for a skip.
	Schema, What string
	// Gone is the first major version without a bug that keeps older ones from the
	// scenario, and What says which. A bug, unlike a feature, can't be asked for.
	Gone int
}

// PC is a machine with ports, and a PC's devices behind them.
var PC = Need{Arch: isPC, What: "devices of a PC"}

// FileTransport is migration into a file and out of one.
var FileTransport = Need{Schema: "migrate channels addr transport file", What: "migration to a file"}

// Userfaultfd is the kernel's service that postcopy stands on.
var Userfaultfd = Need{Host: func() string {
	if _, err := host.Userfaultfd(); err != nil {
		return err.Error()
	}
	return ""
}}

// MissingError says what a host or a QEMU lacks for a scenario.
type MissingError struct{ What string }

func (e *MissingError) Error() string { return e.What }

func (s Scenario) missingOnHost() string {
	for _, n := range s.Needs {
		if n.Host != nil {
			if missing := n.Host(); missing != "" {
				return missing
			}
		}
	}
	return ""
}

// needQEMU asks both sides for what the scenario needs of them.
func (r *run) needQEMU(ctx context.Context, p *Pair, s Scenario) error {
	for _, side := range p.Sides() {
		known, err := qapi.QueryMigrateCapabilities(ctx, side.QMP())
		if err != nil {
			return err
		}
		for _, n := range s.Needs {
			if n.Arch != nil && !n.Arch(r.options.Arch) {
				return &MissingError{fmt.Sprintf("%s has no %s", r.options.Arch, n.What)}
			}
			if _, ok := known[string(n.Capability)]; n.Capability != "" && !ok {
				return &MissingError{fmt.Sprintf("QEMU %s has no capability %s", side.Facts.Version, n.Capability)}
			}
			if side.QMP().Greeting().Version.Major < n.Gone {
				return &MissingError{fmt.Sprintf("QEMU %s has a bug that is gone in %d: %s", side.Facts.Version, n.Gone, n.What)}
			}
			if err := side.needSchema(ctx, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Side) needSchema(ctx context.Context, n Need) error {
	if n.Schema == "" {
		return nil
	}
	known, err := s.schemas.of(ctx, s)
	if err == nil && !known.Has(n.Schema) {
		err = &MissingError{fmt.Sprintf("QEMU %s has no %s (%q is not in its schema)", s.Facts.Version, n.What, n.Schema)}
	}
	return err
}

// schemas are those of the QEMUs of one run, each of which is asked once: it takes QEMU
// longer to say it than all else that it is asked before a migration.
type schemas struct {
	mu    sync.Mutex
	known map[string]*schema.Schema // by binary
}

func (k *schemas) of(ctx context.Context, s *Side) (*schema.Schema, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.known[s.Binary()]; known != nil {
		return known, nil
	}
	asked, err := schema.Query(ctx, s.QMP())
	if err != nil {
		return nil, err
	}
	if k.known == nil {
		k.known = map[string]*schema.Schema{}
	}
	k.known[s.Binary()] = asked
	return asked, nil
}

// keepsWrites is the first major version that looks again, after each synchronisation of
// its dirty bitmap, at writes to pages that stay in TCG's TLB (03bfc2188f06).
const keepsWrites = 9

// knownBug is what the source's QEMU is known to do to such a guest, "" for nothing.
func (p *Pair) knownBug() string {
	if p.run.options.Accel != "tcg" || !p.Program.Hot || p.Source.QMP().Greeting().Version.Major >= keepsWrites {
		return ""
	}
	return fmt.Sprintf("QEMU %s has a bug that is gone in %d: under TCG it loses writes to pages that the guest writes all the time", p.Source.Facts.Version, keepsWrites)
}

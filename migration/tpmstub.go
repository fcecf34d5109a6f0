package migration

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/launcher"

	"github.com/drover-vm/drover/migration/internal/tpmstub"
)

// placeTPM gives each QEMU a TPM, and an emulator of its own for it that has none, where the scenario
// wants them.
func (r *run) placeTPM(p *Pair) error {
	if !r.scenario.Guest.TPM {
		return nil
	}
	r.tpms = map[string]*tpmstub.Stub{}
	for _, owner := range []string{SourceName, DestinationName} {
		socket := p.Path("tpm." + owner)
		stub, err := tpmstub.Listen(socket)
		if err != nil {
			return err
		}
		p.Defer(stub.Close)
		r.tpms[owner] = stub
		r.placed[owner] = append(r.placed[owner], "-chardev", "socket,id=tpm-stub,path="+launcher.Escape(socket),
			"-tpmdev", "emulator,id=tpm,chardev=tpm-stub", "-device", "tpm-crb,tpmdev=tpm")
	}
	return nil
}

// AwaitTPMLock waits until a side's QEMU has told the emulator of its TPM to lock its storage, which it lets
// go as it sends the guest.
func (p *Pair) AwaitTPMLock(ctx context.Context, s *Side) error {
	stub := p.run.tpms[p.run.owner(s.Name())]
	if stub == nil {
		return fmt.Errorf("the %s has no such TPM: declare \"tpm\"", s.Name())
	}
	return Poll(ctx, "the storage of the TPM to be locked again on the "+s.Name()+" (CMD_LOCK_STORAGE)", func() (bool, error) { return stub.Locked() > 0, nil })
}

package steps

import (
	"context"

	"github.com/drover-vm/drover/migration"
)

func tpmVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "await tpm-lock", Sides: migration.OnSource,
			Doc:     "Waits until a side's QEMU has told its TPM's emulator to lock its storage, which it has let go as it sent the guest.",
			Example: "await tpm-lock", Step: func(a *migration.Args) migration.Step { return AwaitTPMLock(a.Side()) },
		},
	}
}

// AwaitTPMLock waits until a side's QEMU has its TPM's storage locked.
func AwaitTPMLock(on string) migration.Step {
	return step("await tpm-lock", func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error { return p.AwaitTPMLock(ctx, s) })
	})
}

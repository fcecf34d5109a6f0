package steps

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration"
)

const (
	// dmaFile is the largest that every PC has.
	dmaFile = "etc/acpi/tables"
	// leastDMA is how large it has to be.
	leastDMA = 128 << 10
)

func dmaVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "dma", Args: "ADDRESS",
			Doc:     "Has a device of the source, a PC's fw_cfg, write 128 KiB or more to a guest's address at once, which are mostly zeros (ACPI's tables), as a disk does from which much is read; up to 2 MiB behind the address are used.",
			Example: "dma 0x6400000",
			Step:    func(a *migration.Args) migration.Step { return DMA(numberOf(a, "the address", 32)) },
		},
	}
}

// DMA has the source's fw_cfg write to the guest's RAM.
func DMA(address uint64) migration.Step {
	return migration.Step{Name: fmt.Sprintf("dma %#x", address), Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		d := fwCfgBehind(p.Source.QTest(), address)
		key, size, err := d.find(ctx, dmaFile)
		if err != nil {
			return err
		}
		if size < leastDMA {
			return fmt.Errorf("the fw_cfg of the source has %d bytes in %s, expected at least %d", size, dmaFile, leastDMA)
		}
		if err := d.read(ctx, key, address, size); err != nil {
			return err
		}
		return p.PlantCanaries(ctx) // one of them is how far an item has been read
	}}
}

package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/migration"
)

// What a virtio device's driver has taken must be there where the guest arrives.
func featureVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "accept feature", Args: "ID NUMBER",
			Doc:     "Does what a driver does of the virtio PCI device with that id on the source: it accepts a feature, by the number below 32 that virtio gives it.",
			Example: "accept feature nic 17",
			Step: func(a *migration.Args) migration.Step {
				id, number := a.Word("the device's id"), a.Int("the number of the feature")
				if number >= 32 {
					a.Fail("the feature %d is not in the lower half: those are 0 to 31", number)
				}
				return AcceptFeature(id, number)
			},
		},
	}
}

// AcceptFeature accepts a feature, by the common configuration of a virtio device (virtio 1.0,
// 4.1.4.3).
func AcceptFeature(id string, number int) migration.Step {
	return migration.Step{Name: fmt.Sprintf("accept feature %s %d", id, number), Wants: []string{"boot"}, Do: func(ctx context.Context, p *migration.Pair) error {
		const commonBAR, driverFeatureSelect, driverFeature = 4, 0x08, 0x0c
		base, err := memoryOf(ctx, p.Source, id, commonBAR)
		if err != nil {
			return err
		}
		q := p.Source.QTest()
		return errors.Join(q.Writel(ctx, base+driverFeatureSelect, 0), q.Writel(ctx, base+driverFeature, 1<<number))
	}}
}

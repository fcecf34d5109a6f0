package steps

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/drover-vm/drover/migration"
)

func flashVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect flash-image", Args: "OFFSET VALUE", Sides: migration.OnDestination,
			Doc:     "Expects 32 bits in the image of a side's flash memory, from which that QEMU takes it when it is started anew.",
			Example: "expect flash-image 0x100 0x12345678",
			Step: func(a *migration.Args) migration.Step {
				return ExpectFlashImage(a.Side(), int64(numberOf(a, "the offset", 32)), uint32(numberOf(a, "the value", 32)))
			},
		},
	}
}

// ExpectFlashImage demands that the image of a side's flash memory holds a value.
func ExpectFlashImage(on string, offset int64, value uint32) migration.Step {
	return step("expect flash-image", func(_ context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			image, err := os.Open(p.FlashImage(s))
			if err != nil {
				return err
			}
			defer image.Close()
			found := make([]byte, 4)
			if _, err := image.ReadAt(found, offset); err != nil {
				return err
			}
			if is := binary.LittleEndian.Uint32(found); is != value {
				return fmt.Errorf("the image of the %s's flash memory holds %#x at %#x, expected %#x: what the guest wrote is lost when that QEMU is started anew", s.Name(), is, offset, value)
			}
			return nil
		})
	})
}

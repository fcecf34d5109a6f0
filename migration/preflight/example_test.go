package preflight_test

import (
	"fmt"

	"github.com/drover-vm/drover/migration/preflight"
)

func ExampleCompare() {
	rtc := preflight.Section{Name: "mc146818rtc", Version: 3, Fields: []preflight.Field{{Name: "cmos_data", Size: 1, Count: 128}}}
	source := &preflight.Description{Version: "7.2.22", Machine: "pc-i440fx-7.2", Machines: []string{"pc-i440fx-7.2"}, Sections: []preflight.Section{rtc}}
	destination := &preflight.Description{Version: "11.1.3", Machine: "pc-i440fx-7.2", Machines: []string{"pc-i440fx-7.2"}, Sections: []preflight.Section{rtc}}
	fmt.Println(preflight.Compare(source, destination).Prediction)

	source.Sections = append(source.Sections, preflight.Section{Name: "vga", State: "vga", Version: 2})
	source.Devices, source.Types = []string{"isa-vga"}, map[string]preflight.State{"isa-vga": {Name: "vga", Version: 2}}
	fmt.Println(preflight.Compare(source, destination).Prediction)
	// Output:
	// completes
	// refused: the source sends vga, and the destination's machine has no such device
}

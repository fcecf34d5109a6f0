package wire_test

import (
	"fmt"
	"time"

	"github.com/drover-vm/drover/guest/wire"
)

// A line survives other output around it; one that was damaged is known by its checksum.
func ExampleCut() {
	line, err := wire.New(1, 2*time.Second, wire.SaysBeat, wire.Beat{Number: 41})
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := line.Append(nil)
	fmt.Print(string(sent))

	damaged := []byte(string(sent))
	damaged[len(damaged)/2] ^= 1
	lines, broken, rest := wire.Cut(append(append([]byte("[ 0.1] a message of the kernel\n"), sent...), damaged...))
	var beat wire.Beat
	err = lines[0].Into(&beat)
	fmt.Println(len(lines), "line: beat", beat.Number, err)
	fmt.Println(broken, "damaged,", len(rest), "bytes left")
	// Output:
	// drover1 1 2000000000 beat {"Number":41} 0b46e45d
	// 1 line: beat 41 <nil>
	// 1 damaged, 0 bytes left
}

package stream_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/drover-vm/drover/migration/stream"
)

func Example() {
	file, err := os.Open("testdata/streams/11.1.gz")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		log.Fatal(err)
	}
	s, err := stream.Read(unpacked, stream.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Configuration.Machine)
	fmt.Println(s.RAM.Zero, "pages of zeros,", s.RAM.Normal, "others")
	cpu := s.Device("cpu", 1)
	fmt.Printf("the second processor's state, of %d bytes, begins at byte %d\n", cpu.Size, cpu.Offset)
	fmt.Println("its program counter is", cpu.Field("env.eip").Value)
	fmt.Println(len(s.Check()), "problems")
	// Output:
	// pc-i440fx-11.1
	// 590 pages of zeros, 4 others
	// the second processor's state, of 1851 bytes, begins at byte 24912
	// its program counter is 0xfff0
	// 0 problems
}

// The guest's RAM is put together from its pages: the last of each is what it is.
func ExampleOptions_page() {
	packed, err := os.ReadFile("testdata/streams/7.2-postcopy.gz")
	if err != nil {
		log.Fatal(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		log.Fatal(err)
	}
	pages := map[uint64][]byte{}
	_, err = stream.Read(io.Reader(unpacked), stream.Options{Page: func(p stream.Page) error {
		if p.Block.Name != "/rom@etc/acpi/rsdp" {
			return nil
		}
		if pages[p.Address] == nil {
			pages[p.Address] = make([]byte, 4096)
		}
		return p.Onto(pages[p.Address])
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", pages[0][:8])
	// Output: "RSD PTR "
}

package transcript_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/drover-vm/drover/protocol/transcript"
)

// A Writer's Trace is what the Options of a QMP or qtest session want.
func ExampleWriter() {
	w := transcript.NewWriter(os.Stdout)
	begin := time.Now()
	w.Trace(transcript.Message{Time: begin, Direction: transcript.Sent, Data: []byte("readb 0x100000")})
	w.Trace(transcript.Message{Time: begin.Add(42 * time.Microsecond), Direction: transcript.Received, Data: []byte("OK 0x0000000000000007")})
	if err := w.Err(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0.000000 > readb 0x100000
	// 0.000042 < OK 0x0000000000000007
}

func ExampleRead() {
	messages, err := transcript.Read(strings.NewReader(`# recorded from QEMU 10.0
0.000000 > {"execute": "stop", "id": 2}
0.000310 < {"return": {}, "id": 2}
`))
	if err != nil {
		fmt.Println(err)
	}
	for _, m := range messages {
		fmt.Printf("%c %s\n", m.Direction, m.Data)
	}
	// Output:
	// > {"execute": "stop", "id": 2}
	// < {"return": {}, "id": 2}
}

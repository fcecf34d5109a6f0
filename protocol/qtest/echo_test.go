package qtest_test

import (
	"bytes"
	"net"
	"testing"
)

// startEcho starts a server that answers to every line what readb, outb and
// moves of a page need, and allocates nothing.
func startEcho(t *testing.T) *peer {
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close(); server.Close() })
	page := append(append([]byte("OK "), bytes.Repeat([]byte{'A'}, 5462)...), "==\n"...)
	number, plain := []byte("OK 0x00\n"), []byte("OK\n")
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			reply := plain
			switch {
			case bytes.HasPrefix(buf[:n], []byte("b64read")):
				reply = page
			case bytes.HasPrefix(buf[:n], []byte("read")):
				reply = number
			}
			if _, err := server.Write(reply); err != nil {
				return
			}
		}
	}()
	return &peer{conn: client, crashed: func() string { return "" }}
}

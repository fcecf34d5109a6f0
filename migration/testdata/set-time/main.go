// Set-time sets the machine's time back by an hour.
package main

import (
	"syscall"
	"time"
)

func main() {
	then := syscall.NsecToTimeval(time.Now().Add(-time.Hour).UnixNano())
	if err := syscall.Settimeofday(&then); err != nil {
		panic(err)
	}
}

//go:build linux && !amd64 && !arm64

package main

// cpuWorkers: there is none without its assembly.
func cpuWorkers() []Worker { return nil }

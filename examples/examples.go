// Package examples shows how drover is used from another module: a scenario in Go, one in
// a file, and a test of a device. Each is a test that runs on a real QEMU:
//
//	go test ./...
package examples

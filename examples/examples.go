// Package examples shows how drover is used from another module. Each file is one way in,
// and a test that runs on a real QEMU:
//
//   - firmware_test.go: a VM in a Go test
//   - device_test.go: a device's registers, read and written from outside
//   - linux_test.go: Linux in a VM, and a program of yours in it
//   - qmp_test.go: the QMP socket of a QEMU that somebody else started
//   - file_test.go: a migration scenario in a file
//   - ipv6_test.go: a migration scenario in Go
//   - preflight_test.go: what will become of a guest from one version of QEMU to another
//   - fleet_test.go: the QEMU that "drover run" would take, and what the host lacks
//
// precopy-twice.scenario is what "drover run" takes, and file_test.go runs.
//
// They run on the QEMU that DROVER_QEMU names, or that is in PATH; where there is none they
// are skipped, which only -v shows:
//
//	export DROVER_QEMU=$(cd .. && go run ./cmd/drover fleet ensure x86_64)
//	go test -v ./...
package examples

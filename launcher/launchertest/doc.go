// Package launchertest starts QEMUs in Go tests. Whatever becomes of the test, its VM
// is ended with it, and a test that failed shows what the guest and QEMU wrote:
//
//	func TestFirmwareBoots(t *testing.T) {
//		// With graphics=off a PC's firmware writes to the serial port, which is the console.
//		vm := launchertest.Start(t, launcher.Config{Machine: "q35,graphics=off"})
//		if _, err := vm.Console().Wait(t.Context(), 0, "SeaBIOS"); err != nil {
//			t.Fatal(err)
//		}
//	}
//
// [Linux] boots Linux in a VM, and runs programs in it.
//
// "go test -v" shows the guest's console while it is written, "go test -artifacts" keeps
// the files of each VM: its command line, its console, what QEMU wrote to its error
// output, and the transcripts of both its sessions.
//
// The package imports testing, and is for tests only.
package launchertest

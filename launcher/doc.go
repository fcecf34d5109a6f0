// Package launcher starts QEMUs as values: a VM has a QMP session, a qtest
// session and a console, and is ended completely, whatever happens.
//
//	vm, err := launcher.Launch(ctx, launcher.Config{Machine: "q35,graphics=off"})
//	if err != nil {
//		return err // QEMU's message, and what would help
//	}
//	defer vm.Close()
//	_, err = vm.Console().Wait(ctx, 0, "SeaBIOS")             // the guest's first serial port
//	err = vm.QMP().Execute(ctx, "system_reset", nil, nil)     // the monitor: package qmp
//	b, err := vm.QTest().Readb(ctx, 0xfffff)                  // guest memory: package qtest
//
// What else a machine needs, disks, a kernel, devices, is in [Config.Args], as on QEMU's
// command line. In a Go test, package launchertest does the rest: it finds a QEMU, ends
// it with the test, and shows what it wrote where the test failed.
//
// # Contract
//
// Nothing is left. When Close returns, QEMU, what it started, every
// descriptor, socket and goroutine is gone, also where QEMU had crashed, was
// stopped or did not react: Close asks with quit, then with SIGTERM, then
// kills with SIGKILL (Config.QuitTimeout, Config.TermTimeout). Where this process
// ends without Close, by a panic, os.Exit or any signal, SIGKILL included, the
// kernel kills its QEMUs (not a binary that is set-uid or has capabilities of
// its own; and what a QEMU has started, for exec:, only sees its stream end). A
// launcher makes no files but those that Config names (Dir, of which each is
// bounded by KeptBytes, and Attach) and the slots of Reserve in the user's cache folder.
// PrivateFolder and ArtifactFolder are for the files that a caller makes beside them:
// those of a process that was killed are removed when the user's next one is made.
//
// No wait outlives QEMU. When QEMU ends, every wait on its sessions and
// its console ends at once with an *ExitError: how it ended and who ended it,
// the end of its error output, the last exchange with its monitor, the end of
// the console. A QEMU that hangs is found by Watch, or by Config.HangTimeout, and
// looked at by Diagnose.
//
// A VM lives no longer than the context of Launch. The contexts of all other
// calls bound that call only.
//
// QEMU gets the descriptors that it needs and no others; descriptors that
// this process itself was left with by its parent are set close-on-exec by the
// first Launch. QEMU's system call filter is on where it has one
// (Config.Sandbox), secrets travel in memory (Config.Secrets), there is no shell,
// and a crash leaves no core unless asked for (Config.CoreDumps).
//
// VMs of all the user's processes share the machine: Launch waits where it
// is full, and Reserve takes slots for several VMs at once.
//
// What another user can change is not used: no lock, no answer of the cache, no
// folder for sockets.
//
// All of it is for Linux. A VM and its parts are safe for concurrent use.
package launcher

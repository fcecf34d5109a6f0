// Package qapi is the part of QEMU's command set that moving a VM needs, as Go
// functions and types. Each function is one command, and described in QEMU's
// qapi/*.json under the same name; what goes over the wire is package qmp's.
//
//	info, err := qapi.QueryMigrate(ctx, session)
//	fmt.Println(info.Status, info.RAM.Remaining)
//
// Every function takes an [Executor], which *qmp.Session is, and returns its
// errors unchanged. A reply that can't be decoded is an error that names the
// command, and what is returned with it holds the reply in Raw.
//
// There are the commands that drover itself calls, and those that belong to managing a
// VM: [Quit], [SystemPowerdown], [DeviceDel], [ObjectDel], [QOMSet], [QueryFDSets],
// [MigrateIncoming]. Any other is the Executor's: Execute(ctx, "query-block", nil, &reply).
//
// # Replies of other versions
//
// A type has the members of all versions from 5.2 to 11.1. One that a QEMU doesn't
// send is zero, or nil where zero would mean something. Those that QEMU sends and
// this package doesn't know, a later version's, are in Raw, where the whole reply is
// as it came. Enumerations are strings, so values of a later version survive.
//
// # Arguments of other versions
//
// Nothing is sent that wasn't asked for, and what QEMU doesn't know it refuses.
// Ask its schema (package schema) what it can do, not its version.
package qapi

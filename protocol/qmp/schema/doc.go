// Package schema answers what a QEMU can do, from its own query-qmp-schema.
//
//	s, err := schema.Query(ctx, session)
//	s.Has("migrate channels")                            // is there this argument
//	s.Has("migrate-set-parameters multifd-compression zstd") // and this value
//	s.Has("query-migrate -> ram dirty-sync-missed-zero-copy") // in the reply
//	s.Command("migrate-recover").OOB
//	fmt.Println(s.Command("migrate"))
//
// A path is a command's or an event's name, and then, word by word, a member of
// its arguments or data, a member of that, and so on, as deep as it goes; behind
// the name of a member that is an enumeration comes one of its values. Arrays, and
// the alternatives that a value may have, are looked through. Where the members
// depend on a tag, all are found, or those of one case with "tag=case" in between:
//
//	object-add qom-type=memory-backend-file mem-path
//
// and "->" behind a command's name goes to its reply.
//
// [Schema.Check] is made for the Check of a session's Options: it refuses a command
// that QEMU would refuse for its shape, and says what was probably meant. A [Guard]
// puts it there where the schema comes over the same session.
//
// A Schema is not changed after it is made, and safe for concurrent use. QEMU hides
// the names of its types, so those here are numbers that mean nothing. What the
// format means is in QEMU's qapi/introspect.json.
package schema

// Package transcript records what goes over a QMP or qtest session, one line a
// message, and reads such records back.
//
//	f, err := os.Create("session.txt")
//	w := transcript.NewWriter(f)
//	session, err := qmp.New(ctx, conn, qmp.Options{Trace: w.Trace})
//
// # The format
//
// A line is the time since the first message in seconds, the direction, and the
// message without its line end, with one space in between:
//
//	0.000000 < {"QMP": {"version": ...}}
//	0.000112 > {"execute": "qmp_capabilities", "id": 1}
//
// A message that a line can't show as it is is written as a quoted Go string,
// with a q behind the direction (<q, >q): one that is empty, begins or ends with a
// space, has characters in it that don't print, or isn't UTF-8.
//
// One longer than Writer.Limit is cut, and says so behind the direction with
// its whole length in bytes (<+150000 or <q+150000); such a record is for people, it
// can't be replayed. Lines that begin with # are comments. Empty ones mean nothing.
package transcript

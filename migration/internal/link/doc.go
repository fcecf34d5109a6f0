// Package link passes the bytes of a connection on: the same bytes, counted, and
// where a [Fault] is put there delayed, changed or cut. It knows nothing of what the
// bytes mean.
package link

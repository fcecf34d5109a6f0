// Package wire is what a Linux guest and drover say to each other, and how: a line a
// message, over a virtio-serial port or the console.
//
//	drover1 SEQUENCE NANOSECONDS VERB BODY CHECKSUM
//
// The first word is the protocol and its version. SEQUENCE counts the sender's lines, from 1
// on: one that is missing was lost. NANOSECONDS is the sender's monotonic clock when it wrote
// the line. BODY is JSON without a line break in it. CHECKSUM is the CRC-32 (IEEE) of all
// that is before it and its blank, eight hexadecimal digits. Other output may stand between
// lines, and may cut one short: such a line's checksum is wrong, and its number is missing.
//
// It imports only the standard library, for it becomes part of the guest's program.
package wire

// Package stats is about numbers that a bench has measured: what was measured in which
// cell, medians and spread, what is worse than a baseline and not by chance, what the
// numbers advise, and the formats that they are kept in.
//
// It knows no QEMU and starts nothing: all of it works as well on a file of last year's.
package stats

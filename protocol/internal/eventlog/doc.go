// Package eventlog keeps what a peer says unasked (QMP events, qtest's IRQ
// lines) in one ordered, bounded log.
//
// Every entry gets its place when it arrives. A reader says from which place
// it looks, so an entry that came before anyone waited is found, two readers
// never steal from each other, and a slow reader never holds up the writer: it is
// told how many entries it lost, and goes on behind them.
//
//	before := log.Mark()
//	act()
//	entry, err := log.First(ctx, before, match)
package eventlog

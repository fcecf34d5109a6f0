// Command torture tries to break drover, and prints how often it tried and what held.
//
//	go run ./tools/torture [-runs N] [-seed N] [-only KIND[/NUMBER]] [-parallel N] [-drover BINARY] [-qemu BINARY]
//
// It knows drover as its users do: a binary with a command line. Its kinds of attempts are
//
//   - killing: commands that move guests are sent a signal at a random moment. They end, and
//     no QEMU outlives them. Once the next run has swept, nothing is left: no process, no
//     private folder, no socket, no artifacts that nobody was told of, no lock.
//   - records, scenarios, streams: good files in which something was changed at random,
//     for judge, vet and inspect. No panic, bounded time and memory, plain output, and
//     no pass of what has lost its evidence.
//   - environments: strange folders, terminals, limits, networks. Drover works, skips,
//     or says with exit status 2 what is wrong; it never calls migration broken.
//   - qemus: a QEMU that hangs, floods, lies, forks, prints escapes, or breaks its protocol.
//     It never passes, and nothing of it is left.
//
// Each attempt has a number, and what is random in it depends on -seed and that number
// alone: -only killing/17 repeats one, with the seed that it had. Exit status: 0 when all
// held, 1 when something didn't, 2 when nothing could be tried.
package main

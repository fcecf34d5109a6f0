// Package peer is whom a Linux guest talks to over its network device: a host of its own, with
// a TCP/IP stack in this process, behind a switch that QEMUs connect to ("-netdev stream"). As
// a migration's source and destination are both connected, the guest finds the same host
// wherever it is: frames for it go to the QEMU that it spoke through last, as a learning switch
// sends them.
//
// It needs no privilege, and nothing of the host's own network is used: the switch is a UNIX
// socket, and addresses mean something only behind it.
package peer

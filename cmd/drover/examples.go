package main

// examples are what -h, the man pages and docs/cli show of a command, by the words behind
// "drover": lines as they are typed, each with what it is for.
func examples() map[string]string {
	return map[string]string{
		"": `
  drover doctor                    # what this host has, and what it lacks
  drover fleet ensure x86_64       # a private copy of QEMU, where there is none
  drover run precopy/unix/plain    # move one guest; without a name, in every way there is`,
		"run": `
  drover run precopy/unix/plain                               # one scenario
  drover run precopy postcopy --report report                 # two folders of them, and a page about each
  drover run --qemu build/qemu-system-x86_64                  # all, on a QEMU of your own
  drover run --qemu-src 7.2 --qemu-dst 10.0 precopy           # from one version to another
  drover run --machine q35 precopy -- -device virtio-net-pci  # with a device
  drover run mine.scenario                                    # yours`,
		"list": `
  drover list postcopy            # with a sentence each
  drover list -v bad_dest         # as a file
  drover list --watches xbzrle    # who would notice?`,
		"vet":   `  drover vet mine.scenario`,
		"verbs": `  drover verbs migrate    # all verbs with that word`,
		"console": `
  drover console                                           # drover's own guest
  drover console -- -kernel vmlinuz -append console=ttyS0  # yours`,
		"matrix": `
  drover matrix                                                # every two QEMUs of the fleet: minutes
  drover matrix 7.2 10.0 --machine q35 -- -device virtio-net-pci
  drover matrix 10.0 11.1 --scenarios precopy/unix/plain,postcopy/plain`,
		"preflight": `
  drover preflight 7.2 10.0
  drover preflight 10.0 11.1 --machine q35 -- -device virtio-net-pci`,
		"bench": `
  drover bench --report before                  # minutes
  drover bench --report now --baseline before   # is it worse?`,
		"bench advise":  `  drover bench advise --dirty-rate 200MB/s --bandwidth 1GB/s --downtime 300ms before`,
		"bench compare": `  drover bench compare before now`,
		"judge":         `  drover judge -v /tmp/drover-x86_64-postcopy-plain-123`,
		"report merge":  `  drover report merge --report all first second`,
		"report diff":   `  drover report diff before after`,
		"inspect": `
  drover inspect -v stream              # what "migrate file:stream" wrote
  drover inspect /var/lib/libvirt/qemu/save/vm.save`,
		"fleet ensure": `  export DROVER_QEMU=$(drover fleet ensure x86_64)`,
		"fleet fetch": `
  drover fleet fetch                            # every version
  drover fleet fetch 7.2 trixie-backports
  drover fleet fetch kernels --arch aarch64
  drover fleet fetch full-kernels --arch x86_64 # for USB, SATA, a GPU`,
		"fleet remove": `  drover fleet remove bullseye`,
	}
}

package peer_test

import (
	"fmt"
	"path/filepath"

	"github.com/drover-vm/drover/guest/peer"
	"github.com/drover-vm/drover/launcher"
)

// A host for a guest to talk to, behind a UNIX socket that both QEMUs of a migration
// connect to. It echoes over TCP and UDP.
func ExampleListen() {
	folder, err := launcher.NewPrivateFolder()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer folder.Remove()
	path := filepath.Join(folder.Path(), "net")
	host, err := peer.Listen(path, [4]byte{10, 0, 0, 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()
	netdev := launcher.Option("stream", "id", "n0", "server", "off", "addr.type", "unix", "addr.path", path)
	fmt.Println(netdev[:20], "and 10.0.0.1 echoes on port", peer.EchoPort)
	// Output: stream,id=n0,server= and 10.0.0.1 echoes on port 7
}

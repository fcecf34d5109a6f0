package qapi

// A MigrationChannel is a stream of a migration, and where it goes to
// (qapi/migration.json, since 8.2). The functions below make the usual ones.
type MigrationChannel struct {
	Type    string           `json:"channel-type"` // main, or cpr since 10.0
	Address MigrationAddress `json:"addr"`
}

// A MigrationAddress is where a stream goes to: which members it has depends on
// its Transport.
type MigrationAddress struct {
	Transport string `json:"transport"` // socket, exec, rdma or file

	SocketAddress          // of socket; Host, Port and what goes with them also of rdma
	Args          []string `json:"args,omitempty"`     // of exec: the program and its arguments
	Filename      string   `json:"filename,omitempty"` // of file
	Offset        *uint64  `json:"offset,omitempty"`   // of file, in bytes; QEMU demands it
}

// A SocketAddress is a socket's (qapi/sockets.json): which members it has depends
// on its Type.
type SocketAddress struct {
	Type string `json:"type,omitempty"` // inet, unix, vsock or fd

	Host      string `json:"host,omitempty"` // of inet
	Port      string `json:"port,omitempty"` // of inet and vsock: a number or a service's name
	Numeric   *bool  `json:"numeric,omitempty"`
	To        *int   `json:"to,omitempty"` // the last of a range of ports
	IPv4      *bool  `json:"ipv4,omitempty"`
	IPv6      *bool  `json:"ipv6,omitempty"`
	MPTCP     *bool  `json:"mptcp,omitempty"`               // since 6.1
	KeepAlive *bool  `json:"keep-alive,omitempty"`          //
	Count     *int   `json:"keep-alive-count,omitempty"`    // packets unanswered; since 10.1
	Idle      *int   `json:"keep-alive-idle,omitempty"`     // seconds; since 10.1
	Interval  *int   `json:"keep-alive-interval,omitempty"` // seconds; since 10.1

	Path     string `json:"path,omitempty"`     // of unix
	Abstract *bool  `json:"abstract,omitempty"` // Path is a name in Linux's abstract space
	Tight    *bool  `json:"tight,omitempty"`    // ... without zero bytes behind it

	CID string `json:"cid,omitempty"` // of vsock: the host's number
	FD  string `json:"str,omitempty"` // of fd: a name that getfd gave
}

// UnixChannel is a main channel over a UNIX socket.
func UnixChannel(path string) MigrationChannel {
	return socketChannel(SocketAddress{Type: "unix", Path: path})
}

// InetChannel is a main channel over TCP. With port 0 QEMU chooses one: see
// [MigrationInfo.SocketAddress].
func InetChannel(host, port string) MigrationChannel {
	return socketChannel(SocketAddress{Type: "inet", Host: host, Port: port})
}

func socketChannel(a SocketAddress) MigrationChannel {
	return MigrationChannel{"main", MigrationAddress{Transport: "socket", SocketAddress: a}}
}

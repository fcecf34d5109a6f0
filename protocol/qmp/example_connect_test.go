//go:build unix

package qmp_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qmp"
)

// listen serves a fake's monitor at a path, as -qmp unix:PATH,server=on does.
func listen(qemu *fakeqemu.QEMU) (path string, stop func()) {
	dir, err := os.MkdirTemp("", "monitor")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(dir, "qmp")
	listener, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			qemu.ServeQMP(conn)
		}
	}()
	return path, func() { _ = listener.Close(); <-ended; _ = os.RemoveAll(dir) }
}

// Dial waits for a QEMU that has not opened its monitor yet. To reconnect is to
// dial again: QEMU goes on running without us.
func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	qemu := fakeqemu.New(fakeqemu.Config{})
	defer qemu.Close()
	path, stop := listen(qemu)
	defer stop()

	for range 2 {
		session, err := qmp.Dial(ctx, "unix", path, qmp.Options{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(session.Execute(ctx, "cont", nil, nil))
		_ = session.Close()
	}
	// Output:
	// <nil>
	// <nil>
}

// A monitor serves one client at a time, and lets the second one wait in silence.
func ExampleDial_silent() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	qemu := fakeqemu.New(fakeqemu.Config{NoGreeting: true})
	defer qemu.Close()
	path, stop := listen(qemu)
	defer stop()

	_, err := qmp.Dial(ctx, "unix", path, qmp.Options{})
	fmt.Println(errors.Is(err, qmp.ErrSilent))
	// Output: true
}

// A QEMU that is started with one end of a socket pair needs no path:
// -chardev socket,id=mon,fd=3 -mon chardev=mon,mode=control.
func ExampleNew_inheritedDescriptor() {
	ctx := context.Background()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	ours, theirs := connOf(fds[0]), connOf(fds[1])
	qemu := fakeqemu.New(fakeqemu.Config{}) // exec.Cmd.ExtraFiles gives a real one its end
	defer qemu.Close()
	qemu.ServeQMP(theirs)

	session, err := qmp.New(ctx, ours, qmp.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println(session.Execute(ctx, "stop", nil, nil))
	// Output: <nil>
}

// connOf makes a connection of a descriptor.
func connOf(fd int) net.Conn {
	file := os.NewFile(uintptr(fd), "monitor")
	defer file.Close() // the connection has a copy
	conn, err := net.FileConn(file)
	if err != nil {
		log.Fatal(err)
	}
	return conn
}

// A monitor behind TLS: -object tls-creds-x509,id=tls,… -chardev
// socket,…,tls-creds=tls. Any net.Conn will do.
func ExampleNew_tls() {
	ctx := context.Background()
	certificate, roots := selfSigned("monitor.example")
	qemu := fakeqemu.New(fakeqemu.Config{})
	defer qemu.Close()
	ours, theirs := net.Pipe()
	qemu.ServeQMP(tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{certificate}}))

	session, err := qmp.New(ctx, tls.Client(ours, &tls.Config{RootCAs: roots, ServerName: "monitor.example"}), qmp.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println(session.Execute(ctx, "stop", nil, nil))
	// Output: <nil>
}

// selfSigned makes a certificate, and a pool that trusts it.
func selfSigned(host string) (tls.Certificate, *x509.CertPool) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, roots
}

// Files travel beside a command on UNIX sockets: QEMU gets copies.
func ExampleSession_ExecuteFiles() {
	ctx := context.Background()
	qemu := fakeqemu.New(fakeqemu.Config{})
	defer qemu.Close()
	qemu.Reply("add-fd", map[string]int{"fdset-id": 1, "fd": 12})
	path, stop := listen(qemu)
	defer stop()
	session, err := qmp.Dial(ctx, "unix", path, qmp.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	image, err := os.Open(os.DevNull)
	if err != nil {
		log.Fatal(err)
	}
	defer image.Close()
	var set struct {
		ID int `json:"fdset-id"`
	}
	err = session.ExecuteFiles(ctx, "add-fd", map[string]string{"opaque": "image"}, &set, image)
	fmt.Printf("file=/dev/fdset/%d %v\n", set.ID, err)
	// Output: file=/dev/fdset/1 <nil>
}

// The agent in the guest, over a virtio-serial port's socket on the host.
func ExampleNewAgent() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	session, err := qmp.NewAgent(ctx, agent(), qmp.Options{})
	if err != nil {
		log.Fatal(err) // qmp.ErrNoAgent where none runs
	}
	defer session.Close()

	var host struct {
		Name string `json:"host-name"`
	}
	err = session.Execute(ctx, "guest-get-host-name", nil, &host)
	fmt.Println(host.Name, err)
	// Output: debian <nil>
}

// agent plays a guest agent, one that still has something to say to another.
func agent() net.Conn {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		requests := json.NewDecoder(reset{theirs})
		for {
			var r struct {
				Execute   string
				Arguments struct{ ID json.Number }
				ID        json.Number
			}
			if requests.Decode(&r) != nil {
				return
			}
			reply := "{\"return\": {\"host-name\": \"debian\"}, \"id\": " + r.ID.String() + "}\n"
			if r.Execute == "guest-sync-delimited" {
				reply = "{\"return\": \"stale\"}\n\xff{\"return\": " + r.Arguments.ID.String() + "}\n"
			}
			if _, err := theirs.Write([]byte(reply)); err != nil {
				return
			}
		}
	}()
	return ours
}

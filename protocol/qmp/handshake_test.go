package qmp_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp"
)

func TestGreetingIsKept(t *testing.T) {
	session, _ := open(t, qmp.Options{})
	require.Equal(t, qmp.Greeting{
		Version:      qmp.Version{Major: 8, Minor: 1, Micro: 2, Package: "v8.1.2"},
		Capabilities: []string{"oob"},
	}, session.Greeting())
	require.Equal(t, "8.1.2", session.Greeting().Version.String())
}

func TestOutOfBandIsTurnedOnWhereItIsOfferedAndWanted(t *testing.T) {
	for _, test := range []struct {
		name    string
		offered string
		o       qmp.Options
		want    string
	}{
		{"offered", `["oob"]`, qmp.Options{}, `{"enable": ["oob"]}`},
		{"offered among others", `["later", "oob"]`, qmp.Options{}, `{"enable": ["oob"]}`},
		{"not wanted", `["oob"]`, qmp.Options{NoOOB: true}, ``},
		{"not offered", `[]`, qmp.Options{}, ``},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, peer := net.Pipe()
			defer peer.Close()
			heard := make(chan request, 1)
			go func() {
				s := newServer(t, peer)
				s.say(`{"QMP": {"version": {"qemu": {"micro": 0, "minor": 12, "major": 2}, "package": ""}, "capabilities": %s}}`, test.offered)
				r := s.hear()
				s.answer(r, "{}")
				heard <- r
			}()
			session, err := qmp.New(t.Context(), client, test.o)
			require.NoError(t, err)
			defer session.Close()
			r := <-heard
			require.Equal(t, "qmp_capabilities", r.Execute)
			require.Equal(t, test.want, string(r.Arguments))
			require.Equal(t, test.want != "", session.OOB())
			if !session.OOB() {
				require.ErrorIs(t, session.ExecuteOOB(t.Context(), "migrate-pause", nil, nil), qmp.ErrNoOOB)
			}
		})
	}
}

// What comes in one read with the greeting or with the handshake's reply must
// not be lost between two parsers.
func TestEventsDuringTheHandshakeAreKept(t *testing.T) {
	client, peer := net.Pipe()
	defer peer.Close()
	go func() {
		s := newServer(t, peer)
		s.say(`{"event": "EARLY", "timestamp": {"seconds": 1, "microseconds": 2}}` + "\r\n" +
			greeting + `{"event": "GREETED"}`)
		s.say(`{"return": {}, "id": %d}`+"\r\n"+`{"event": "READY"}`, s.hear().ID)
	}()
	session, err := qmp.New(t.Context(), client, qmp.Options{})
	require.NoError(t, err)
	defer session.Close()
	var names []string
	for event, err := range session.Events(t.Context(), 0) {
		require.NoError(t, err)
		if names = append(names, event.Name); event.Name == "READY" {
			break
		}
	}
	require.Equal(t, []string{"EARLY", "GREETED", "READY"}, names)
}

func TestAMonitorThatDoesNotGreetIsGivenUpWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, peer := net.Pipe()
		defer peer.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := qmp.New(ctx, client, qmp.Options{})
		require.ErrorIs(t, err, qmp.ErrSilent)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		_, err = peer.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "the connection is closed")
	})
}

func TestACauseIsToldBesideTheDeadline(t *testing.T) {
	client, peer := net.Pipe()
	defer peer.Close()
	own := errors.New("the run was stopped")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, own)
	defer cancel()
	_, err := qmp.New(ctx, client, qmp.Options{})
	require.ErrorIs(t, err, own)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestARefusedHandshakeIsAnError(t *testing.T) {
	client, peer := net.Pipe()
	defer peer.Close()
	go func() {
		s := newServer(t, peer)
		s.say("%s", greeting)
		s.say(`{"error": {"class": "GenericError", "desc": "no"}, "id": %d}`, s.hear().ID)
	}()
	_, err := qmp.New(t.Context(), client, qmp.Options{})
	refused, ok := errors.AsType[*qmp.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, &qmp.Error{Class: qmp.GenericError, Desc: "no", Command: "qmp_capabilities"}, refused)
}

func TestPeersThatSpeakSomethingElseAreToldAtOnce(t *testing.T) {
	for name, banner := range map[string]string{
		"human monitor": "QEMU 8.1.2 monitor - type 'help' for more information\r\n(qemu) ",
		"web server":    "HTTP/1.1 400 Bad Request\r\n",
		"array":         "[]\r\n",
		"number":        "1",
		"TLS alert":     "\x15\x03\x01\x00\x02\x02\x46",
		"no member":     "{}",
		"no version":    `{"QMP": 5}`,
		"greeting null": `{"QMP": []}`,
	} {
		t.Run(name, func(t *testing.T) {
			client, peer := net.Pipe()
			defer peer.Close()
			go peer.Write([]byte(banner))
			_, err := qmp.New(t.Context(), client, qmp.Options{})
			_, closed := errors.AsType[*qmp.ClosedError](err)
			require.True(t, closed, "%v", err)
			_, ok := errors.AsType[*qmp.ProtocolError](err)
			require.True(t, ok, "%v", err)
		})
	}
}

func TestAnAddressThatIsWrongIsAnErrorWithTheWayOut(t *testing.T) {
	client, peer := net.Pipe()
	defer peer.Close()
	go func() { _, _ = io.WriteString(peer, "QEMU 10.0.13 monitor - type 'help' for more information\r\n") }()
	_, err := qmp.New(t.Context(), client, qmp.Options{})
	require.ErrorContains(t, err, "start QEMU with -qmp")

	_, err = qmp.Dial(t.Context(), "unix", "/"+strings.Repeat("a", 120), qmp.Options{})
	require.ErrorContains(t, err, "at most 107 bytes on Linux, and this one has 121")
}

func TestAConnectionThatEndsInTheHandshakeIsAClosedError(t *testing.T) {
	for name, sent := range map[string]string{"nothing": "", "half a greeting": greeting[:40], "greeting": greeting} {
		t.Run(name, func(t *testing.T) {
			client, peer := net.Pipe()
			go func() { _, _ = io.WriteString(peer, sent); peer.Close() }()
			_, err := qmp.New(t.Context(), client, qmp.Options{})
			_, closed := errors.AsType[*qmp.ClosedError](err)
			require.True(t, closed, "%v", err)
		})
	}
}

func TestDialWaitsForAServerThatHasNotStarted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "monitor")
	go func() {
		time.Sleep(30 * time.Millisecond) // the server's start, not a wait for something
		listener, err := net.Listen("unix", path)
		if err != nil {
			return
		}
		defer listener.Close()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s := newServer(t, conn)
		s.say("%s", greeting)
		<-s.serve(func(r request) string { return returning(r, "{}") })
	}()
	session, err := qmp.Dial(t.Context(), "unix", path, qmp.Options{})
	require.NoError(t, err)
	require.NoError(t, session.Execute(t.Context(), "stop", nil, nil))
	require.NoError(t, session.Close())
}

func TestDialTriesAgainWhereItIsHungUpOnBeforeTheGreeting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "monitor")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	accepted := make(chan int, 1)
	go func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				accepted <- n
				return
			}
			if n < 3 { // as ssh -L does while nobody listens behind it
				_ = conn.Close()
				continue
			}
			s := newServer(t, conn)
			s.say("%s", greeting)
			if n == 4 {
				_ = conn.Close()
				continue
			}
			s.serve(func(r request) string { return returning(r, "{}") })
		}
	}()
	session, err := qmp.Dial(t.Context(), "unix", path, qmp.Options{})
	require.NoError(t, err)
	require.NoError(t, session.Close())
	_, err = qmp.Dial(t.Context(), "unix", path, qmp.Options{})
	require.ErrorAs(t, err, new(*qmp.ClosedError), "one that has greeted was there")
	require.NoError(t, listener.Close())
	require.Equal(t, 5, <-accepted)
}

func TestDialEndsWithTheContextAndSaysWhatItLastMet(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := qmp.Dial(ctx, "unix", filepath.Join(t.TempDir(), "nobody"), qmp.Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var op *net.OpError
	require.ErrorAs(t, err, &op)
}

func TestDialDoesNotTryAgainWhatCanNeverBe(t *testing.T) {
	for _, address := range [][2]string{{"carrier-pigeon", "x"}, {"tcp", "no port"}, {"tcp", ""}, {"unix", "/" + strings.Repeat("x", 200)}} {
		_, err := qmp.Dial(t.Context(), address[0], address[1], qmp.Options{})
		require.Error(t, err)
	}
}

func TestSessionOverTLS(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"monitor"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certificate)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		s := newServer(t, tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}))
		s.say("%s", greeting)
		<-s.serve(func(r request) string { return returning(r, `{"status": "running"}`) })
	}()
	plain, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	session, err := qmp.New(t.Context(), tls.Client(plain, &tls.Config{RootCAs: roots, ServerName: "monitor"}), qmp.Options{})
	require.NoError(t, err)
	defer session.Close()
	var reply json.RawMessage
	require.NoError(t, session.Execute(t.Context(), "query-status", nil, &reply))
	require.JSONEq(t, `{"status": "running"}`, string(reply))
}

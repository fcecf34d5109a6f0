package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
)

// Where a destination may listen beside at a URI.
const (
	Unix = "unix" // a UNIX socket in the run's folder
	TCP  = "tcp"  // a port of 127.0.0.1 that the destination chooses
	Exec = "exec" // two programs with a named pipe between them
	FD   = "fd"   // a TCP connection that both sides are passed

	TCPRange = "tcp-range" // the first free port of a range, whose first is taken
	VSOCK    = "vsock"     // a port of this host's own vsock address, as a channel
)

func listenVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "listen", Args: "unix|tcp|tcp-range|vsock|exec|fd|URI|CHANNELS [as channel] [exit-on-error false]",
			Doc:     "Makes the destination listen for the migration: on a UNIX socket in the run's folder, a TCP port that it chooses, of all or of a range whose first is taken, a port of vsock, a pipe between two programs, a connection that both sides are passed, or at any URI or JSON list of channels that QEMU takes; {dir} in it is the run's folder, and the port 0 of a TCP address is one that the destination chooses, {port} in the source's CHANNELS; with as channel, both sides get the socket as a channel; with exit-on-error false, the destination is told to survive a migration that fails (QEMU 9.1).",
			Example: "listen tcp:[::1]:0",
			Step: func(a *migration.Args) migration.Step {
				on := a.Word("where")
				if !known(on) && !strings.Contains(on, ":") {
					a.Fail("%q is nowhere to listen on: it is unix, tcp, tcp-range, vsock, exec, fd, a URI such as tcp:[::1]:0, or a JSON list of channels", on)
				}
				if strings.HasPrefix(on, "[") && !json.Valid([]byte(on)) {
					a.Fail("%s is not valid JSON", on)
				}
				how := listening{on: on}
				if a.Option("as") {
					a.OneOf("how it is given", "channel")
					how.channel = true
				}
				if a.Option("exit-on-error") {
					a.OneOf("whether it exits", "false")
					how.survive = true
				}
				return how.step()
			},
		},
		{
			Name: "listen nobody", Doc: "Makes a UNIX socket on which nobody ever takes a connection: the source that migrates there waits.", Example: "listen nobody",
			Step: do(HoldConnections),
		},
		{
			Name: "drop connections", Doc: "Closes the socket that nobody listened on, and with it the connections that wait there.", Example: "drop connections",
			Step: do(DropConnections),
		},
		{
			Name: "expect fds-closed", Doc: "Neither QEMU keeps what it was passed for the migration: neither the name nor the file.", Example: "expect fds-closed",
			Step: do(ExpectFDsClosed),
		},
	}
}

func known(on string) bool {
	return slices.Contains([]string{Unix, TCP, TCPRange, VSOCK, Exec, FD}, on)
}

// A listening is where and how a destination listens.
type listening struct {
	on      string
	channel bool // both sides get the socket as a channel
	survive bool // what fails is no end of the destination
}

// toListen is how the destination has been told to listen.
var toListen migration.Slot[listening]

// channels are what the source gets in place of a URI, where the destination got
// a list of channels.
var channels migration.Slot[json.RawMessage]

// expand puts the run's folder, and the port on which the destination listens, into a URI or
// into JSON.
func expand(p *migration.Pair, text string) string {
	return strings.NewReplacer("{dir}", p.Path(""), "{port}", strconv.Itoa(*port.Of(p))).Replace(text)
}

// Listen makes the destination listen for the migration: on [Unix], [TCP], [Exec], [FD],
// or at a URI or a JSON list of channels, in which {dir} is the run's folder.
func Listen(on string) migration.Step { return listening{on: on}.step() }

// ListenAsChannel is Listen where both sides get the socket as a channel.
func ListenAsChannel(on string) migration.Step { return listening{on: on, channel: true}.step() }

// ListenToSurvive is Listen where the destination is told not to exit when the migration fails
// (exit-on-error). Since QEMU 9.1.
func ListenToSurvive(on string) migration.Step { return listening{on: on, survive: true}.step() }

func (l listening) step() migration.Step {
	on := l.on
	return migration.Step{Name: "listen " + on, Gives: []string{"listen"}, Do: func(ctx context.Context, p *migration.Pair) error {
		*toListen.Of(p), *channels.Of(p), *port.Of(p) = l, nil, 0
		switch {
		case on == Unix:
			return listenAt(ctx, p, "unix:"+p.Path("migration.sock"))
		case on == TCP:
			return listenTCP(ctx, p, "tcp:127.0.0.1:0")
		case on == TCPRange:
			return listenInRange(ctx, p)
		case on == VSOCK:
			return listenVSOCK(ctx, p)
		case on == Exec:
			return listenExec(ctx, p)
		case on == FD:
			return listenFD(ctx, p)
		case strings.HasPrefix(on, "["):
			return listenOnChannels(ctx, p, expand(p, on))
		case strings.HasPrefix(on, "tcp:") && strings.HasSuffix(on, ":0"):
			return listenTCP(ctx, p, on)
		}
		return listenAt(ctx, p, expand(p, on))
	}}
}

// listenOnChannels makes the destination listen on a JSON list of channels, which is the
// source's as well, but for a port 0.
func listenOnChannels(ctx context.Context, p *migration.Pair, list string) error {
	*channels.Of(p) = json.RawMessage(list)
	arguments := map[string]any{"channels": *channels.Of(p)}
	if toListen.Of(p).survive {
		arguments["exit-on-error"] = false
	}
	if err := p.ListenOn(ctx, arguments); err != nil {
		return err
	}
	const choose = `"port":"0"`
	if !strings.Contains(list, choose) {
		return nil
	}
	if _, err := portOfDestination(ctx, p); err != nil {
		return err
	}
	*channels.Of(p) = json.RawMessage(strings.ReplaceAll(list, choose, fmt.Sprintf(`"port":"%d"`, *port.Of(p))))
	return nil
}

// listenAt makes the destination listen at the URI, for a source that gets the same.
func listenAt(ctx context.Context, p *migration.Pair, uri string) error {
	p.URI = uri
	from := qapi.IncomingArguments{URI: uri}
	if toListen.Of(p).channel {
		channel, err := channelOf(uri)
		if err != nil {
			return err
		}
		from = qapi.IncomingArguments{Channels: []qapi.MigrationChannel{channel}}
	}
	if toListen.Of(p).survive {
		from.ExitOnError = new(false)
	}
	return p.ListenOn(ctx, from)
}

// channelOf is a URI as a channel.
func channelOf(uri string) (qapi.MigrationChannel, error) {
	if path, ok := strings.CutPrefix(uri, "unix:"); ok {
		return qapi.UnixChannel(path), nil
	}
	if name, ok := strings.CutPrefix(uri, "fd:"); ok {
		return qapi.MigrationChannel{Type: "main", Address: qapi.MigrationAddress{Transport: "socket", SocketAddress: qapi.SocketAddress{Type: "fd", FD: name}}}, nil
	}
	if number, ok := strings.CutPrefix(uri, "vsock:1:"); ok {
		return qapi.MigrationChannel{Type: "main", Address: qapi.MigrationAddress{Transport: "socket", SocketAddress: qapi.SocketAddress{Type: "vsock", CID: "1", Port: number}}}, nil
	}
	address, ok := strings.CutPrefix(uri, "tcp:")
	if !ok {
		return qapi.MigrationChannel{}, fmt.Errorf("%s can't be given as a channel here: write the JSON list of channels", uri)
	}
	host, port, err := net.SplitHostPort(address)
	return qapi.InetChannel(host, port), err
}

// listenTCP lets the destination choose a port, and asks it which.
func listenTCP(ctx context.Context, p *migration.Pair, uri string) error {
	if err := listenAt(ctx, p, uri); err != nil {
		return err
	}
	address, err := portOfDestination(ctx, p)
	p.URI = "tcp:" + address
	return err
}

// listenVSOCK makes the destination listen on a port of this host's own address (CID 1).
func listenVSOCK(ctx context.Context, p *migration.Pair) error {
	number, err := host.VSOCKPort()
	if err != nil {
		return err
	}
	if err := listenAt(ctx, p, fmt.Sprintf("vsock:1:%d", number)); err != nil {
		return err
	}
	return expectSocketAddress(ctx, p, fmt.Sprintf(`{"type": "vsock", "cid": "1", "port": "%d"}`, number))
}

func listenExec(ctx context.Context, p *migration.Pair) error {
	pipe := p.Path("pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		return fmt.Errorf("mkfifo %s: %w", pipe, err)
	}
	quoted := launcher.ShellQuote(pipe) // QEMU gives the command to a shell
	if err := listenAt(ctx, p, "exec:cat "+quoted); err != nil {
		return err
	}
	p.URI = "exec:cat > " + quoted
	return nil
}

// fdName is what a file is called that a QEMU was passed for the migration.
const fdName = "migration"

func listenFD(ctx context.Context, p *migration.Pair) error {
	from, to, err := tcpPair()
	if err != nil {
		return err
	}
	if err := errors.Join(p.Source.PassFD(ctx, fdName, from), p.Destination.PassFD(ctx, fdName, to)); err != nil {
		return err
	}
	return listenAt(ctx, p, "fd:"+fdName)
}

// tcpPair makes a TCP connection to ourselves and returns both its ends.
func tcpPair() (dialled, accepted *os.File, err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = l.Close() }()
	a, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = a.Close() }() // File gives a copy
	b, err := l.AcceptTCP()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = b.Close() }()
	if dialled, err = a.File(); err != nil {
		return nil, nil, err
	}
	if accepted, err = b.File(); err != nil {
		_ = dialled.Close()
	}
	return dialled, accepted, err
}

// ExpectFDsClosed demands that neither QEMU keeps what it was passed for the
// migration: neither the name nor the file.
func ExpectFDsClosed() migration.Step {
	return step("expect fds-closed", func(ctx context.Context, p *migration.Pair) error {
		return p.OnBoth(ctx, func(ctx context.Context, s *migration.Side) error {
			err := qapi.CloseFD(ctx, s.QMP(), fdName)
			if _, refused := errors.AsType[*qmp.Error](err); !refused {
				return errors.Join(err, fmt.Errorf("the %s still has the descriptor %q by name", s.Name(), fdName))
			}
			return s.AwaitFDsClosed(ctx)
		})
	})
}

package migration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

// A Transport is a way from the source to the destination.
type Transport string

const (
	Unix        Transport = "unix"
	TCP         Transport = "tcp"                    // a port that the destination chooses, and tells
	TCPChannels Transport = "tcp, told as a channel" // the same
	Exec        Transport = "exec"                   // two programs with a named pipe between them
	FDTCP       Transport = "fd of"                  // a TCP connection that both sides are given
)

// Listen makes the destination wait for the migration.
func Listen(over Transport) Step {
	return Step{Name: "listen on " + string(over), Do: func(ctx context.Context, p *Pair) error {
		switch over {
		case Unix:
			return p.listen(ctx, "unix:"+p.path("migration.sock"))
		case TCPChannels:
			p.channel = true
			return p.listenTCP(ctx)
		case Exec:
			return p.listenExec(ctx)
		case FDTCP:
			return p.listenFD(ctx)
		default:
			return p.listenTCP(ctx)
		}
	}}
}

// listen makes the destination wait at the URI, for a source that is given the same.
func (p *Pair) listen(ctx context.Context, uri string) error {
	p.uri = uri
	p.Destination.since = p.Destination.QMP().Mark()
	from := qapi.IncomingArguments{URI: uri}
	if p.channel {
		channel, err := channelOf(uri)
		if err != nil {
			return err
		}
		from = qapi.IncomingArguments{Channels: []qapi.MigrationChannel{channel}}
	}
	return qapi.MigrateIncoming(ctx, p.Destination.QMP(), from)
}

// channelOf says as a channel what a TCP URI says.
func channelOf(uri string) (qapi.MigrationChannel, error) {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(uri, "tcp:"))
	return qapi.InetChannel(host, port), err
}

// listenTCP lets the destination choose a port, and asks it which.
func (p *Pair) listenTCP(ctx context.Context) error {
	if err := p.listen(ctx, "tcp:127.0.0.1:0"); err != nil {
		return err
	}
	info, err := qapi.QueryMigrate(ctx, p.Destination.QMP())
	if err != nil {
		return err
	}
	if len(info.SocketAddress) == 0 || info.SocketAddress[0].Port == "0" {
		return fmt.Errorf("the destination listens and does not say on which port: its query-migrate says socket-address %v", info.SocketAddress)
	}
	p.uri = "tcp:" + net.JoinHostPort(info.SocketAddress[0].Host, info.SocketAddress[0].Port)
	return nil
}

func (p *Pair) listenExec(ctx context.Context) error {
	pipe := p.path("pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		return fmt.Errorf("mkfifo %s: %w", pipe, err)
	}
	if err := p.listen(ctx, "exec:cat '"+pipe+"'"); err != nil {
		return err
	}
	p.uri = "exec:cat > '" + pipe + "'"
	return nil
}

// lentName is what a file is called that a QEMU was given for the migration.
const lentName = "migration"

// lend gives that side the file and closes ours.
func (s *Side) lend(ctx context.Context, f *os.File) error {
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s.lent = append(s.lent, info)
	return qapi.GetFD(ctx, s.QMP(), lentName, f)
}

func (p *Pair) listenFD(ctx context.Context) error {
	from, to, err := tcpPair()
	if err != nil {
		return err
	}
	if err := errors.Join(p.Source.lend(ctx, from), p.Destination.lend(ctx, to)); err != nil {
		return err
	}
	return p.listen(ctx, "fd:"+lentName)
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

// SeeDescriptorsGone demands that neither QEMU keeps what it was given for the
// migration: neither the name nor the file.
func SeeDescriptorsGone() Step {
	return Step{Name: "see the descriptors gone", Do: func(ctx context.Context, p *Pair) error {
		return p.OnBoth(ctx, func(ctx context.Context, s *Side) error {
			err := qapi.CloseFD(ctx, s.QMP(), lentName)
			if _, refused := errors.AsType[*qmp.Error](err); !refused {
				return errors.Join(err, fmt.Errorf("the %s still has the descriptor %q by name", s.Name(), lentName))
			}
			return s.letsGo(ctx)
		})
	}}
}

// releasePatience is how long a QEMU may take from saying that a migration is
// completed to closing what it used for it.
const releasePatience = 5 * time.Second

// letsGo waits until QEMU has closed every file that it was lent.
func (s *Side) letsGo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, releasePatience)
	defer cancel()
	if len(s.lent) == 0 {
		return fmt.Errorf("the %s was lent no file", s.Name())
	}
	return poll(ctx, "the "+s.Name()+" to close the migration's descriptor", func() (bool, error) {
		folder := fmt.Sprintf("/proc/%d/fd/", s.PID())
		open, err := os.ReadDir(folder)
		for _, entry := range open {
			have, err := os.Stat(folder + entry.Name())
			for _, lent := range s.lent {
				if err == nil && os.SameFile(have, lent) {
					return false, nil
				}
			}
		}
		return err == nil, err
	})
}

package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/procfs"
)

// The options of the sockets that a migration goes over, as the kernel has them.
func socketVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect socket", Args: "OPTION...", Sides: migration.OnSource,
			Doc:     "Every connection of the migration has these options on a side, by the kernel: mptcp, keep-alive, idle=SECONDS, interval=SECONDS, count=PROBES.",
			Example: "expect socket keep-alive idle=7 interval=3 count=5",
			Step: func(a *migration.Args) migration.Step {
				want := map[string]int{}
				for a.More() {
					name, value, given := strings.Cut(a.Word("the option"), "=")
					n, err := strconv.Atoi(value)
					switch {
					case !slices.Contains(socketOptions, name):
						a.Fail("%q is no option: they are %v", name, socketOptions)
					case given && err != nil:
						a.Fail("%q is no number", value)
					case !given:
						n = 1
					}
					want[name] = n
				}
				return expectSocket(a.Side(), want)
			},
		},
		{
			Name: "expect listening", Args: "PATH|@NAME [padded]",
			Doc:     "The destination listens on the UNIX socket at that path, or with that name in the abstract space, which zero bytes fill up to the longest where it is padded; {dir} is the run's folder.",
			Example: "expect listening @{dir}/abstract padded",
			Step: func(a *migration.Args) migration.Step {
				name, padded := a.Word("the name"), a.Option("padded")
				return step("expect listening "+name, func(_ context.Context, p *migration.Pair) error {
					return expectListening(expand(p, name), padded)
				})
			},
		},
		{
			Name: "expect socket-address", Args: "JSON",
			Doc:     "The destination reports that it listens there and nowhere else, with these members and no others; {dir} in it is the run's folder.",
			Example: `expect socket-address {"type": "unix", "path": "{dir}/migration.sock"}`,
			Step: func(a *migration.Args) migration.Step {
				want := a.JSON()
				return step("expect socket-address", func(ctx context.Context, p *migration.Pair) error {
					return expectSocketAddress(ctx, p, expand(p, string(want)))
				})
			},
		},
	}
}

var socketOptions = []string{"mptcp", "keep-alive", "idle", "interval", "count"}

// port is that on which the destination listens, by its own report.
var port migration.Slot[int]

// socketTimeout is how long a connection may take to be made, and to get its options.
const socketTimeout = time.Second

func expectSocket(on string, want map[string]int) migration.Step {
	return onMigration("expect socket", func(ctx context.Context, p *migration.Pair) error {
		if *port.Of(p) == 0 {
			return errors.New("the destination does not listen on a port")
		}
		return each(p, on, func(s *migration.Side) error {
			watch, cancel := p.AtMost(ctx, socketTimeout)
			defer cancel()
			var all []procfs.SocketOptions
			err := migration.Poll(watch, "the connection's options", func() (right bool, err error) {
				all, err = procfs.OptionsOf(s.PID(), *port.Of(p))
				return len(all) > 0 && !slices.ContainsFunc(all, func(o procfs.SocketOptions) bool { return unlike(o, want) != "" }), err
			})
			if err == nil || ctx.Err() != nil {
				return err
			}
			if watch.Err() != nil { // which is looked into below
				err = nil
			}
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
				return &migration.UnsupportedError{What: fmt.Sprintf("this host does not let a process look at its child's sockets (%v): run on Linux 5.6 or newer, without a filter of pidfd_getfd", err)}
			}
			if err == nil && len(all) == 0 {
				err = fmt.Errorf("the %s has no connection with the port %d", s.Name(), *port.Of(p))
			}
			for _, o := range all {
				if wrong := unlike(o, want); wrong != "" {
					return fmt.Errorf("the %s's connection with the port %d: %s", s.Name(), *port.Of(p), wrong)
				}
			}
			return err
		})
	})
}

// unlike is where a connection's options are not as they have to be, "" for nowhere.
func unlike(o procfs.SocketOptions, want map[string]int) string {
	number := map[bool]int{true: 1}
	have := map[string]int{
		"mptcp": number[o.MPTCP], "keep-alive": number[o.KeepAlive], "idle": o.Idle, "interval": o.Interval, "count": o.Count,
	}
	for _, name := range socketOptions {
		if n, asked := want[name]; asked && have[name] != n {
			return fmt.Sprintf("its %s is %d, expected %d", name, have[name], n)
		}
	}
	return ""
}

// longestName is that of a socket in the abstract space, without the zero that it begins with.
const longestName = 107

func expectListening(name string, padded bool) error {
	if padded {
		name += strings.Repeat("@", max(0, longestName+1-len(name)))
	}
	all, err := procfs.Listening()
	if err == nil && !slices.Contains(all, name) {
		err = fmt.Errorf("nobody listens on the UNIX socket %s; somebody does on %v", name, slices.DeleteFunc(all, func(other string) bool { return !strings.HasPrefix(other, name[:min(len(name), 12)]) }))
	}
	return err
}

func expectSocketAddress(ctx context.Context, p *migration.Pair, want string) error {
	if p.Destination == nil {
		return errNoDestination
	}
	reply, err := queryMigrateReply(ctx, p.Destination)
	if err != nil {
		return err
	}
	var is, expected any
	if err := json.Unmarshal([]byte("["+want+"]"), &expected); err != nil {
		return err
	}
	if err := json.Unmarshal(reply["socket-address"], &is); err != nil {
		return fmt.Errorf("the destination's socket-address is %q: %w", reply["socket-address"], err)
	}
	a, _ := json.Marshal(is)
	b, _ := json.Marshal(expected)
	if string(a) != string(b) {
		return fmt.Errorf("the destination reports that it listens at %s, expected %s", a, b)
	}
	return nil
}

// portOfDestination takes the one on which the destination listens from its report, and
// demands that this says no more than that, and the address.
func portOfDestination(ctx context.Context, p *migration.Pair) (address string, err error) {
	info, err := qapi.QueryMigrate(ctx, p.Destination.QMP())
	if err != nil {
		return "", err
	}
	if len(info.SocketAddress) == 0 || info.SocketAddress[0].Port == "0" {
		return "", fmt.Errorf("the destination listens and does not report on which port: its query-migrate has socket-address %v", info.SocketAddress)
	}
	host, number := info.SocketAddress[0].Host, info.SocketAddress[0].Port
	if *port.Of(p), err = strconv.Atoi(number); err != nil {
		return "", fmt.Errorf("the destination reports the port %q: %w", number, err)
	}
	if ip := net.ParseIP(host); ip != nil && len(info.SocketAddress) == 1 {
		family := "ipv6"
		if ip.To4() != nil {
			family = "ipv4"
		}
		err = expectSocketAddress(ctx, p, fmt.Sprintf(`{"type": "inet", "host": %q, "port": %q, %q: true}`, host, number, family))
	}
	return net.JoinHostPort(host, number), err
}

// rangeLength is how many ports a destination may try.
const rangeLength = 50

// listenInRange has the destination look for a free port in a range, the first of which is
// taken, and demands that it listens on another of them.
func listenInRange(ctx context.Context, p *migration.Pair) error {
	taken, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer func() { _ = taken.Close() }()
	first := taken.Addr().(*net.TCPAddr).Port
	last := first + rangeLength
	if toListen.Of(p).channel {
		channel := qapi.InetChannel("127.0.0.1", strconv.Itoa(first))
		channel.Address.To = &last
		err = p.ListenOn(ctx, qapi.IncomingArguments{Channels: []qapi.MigrationChannel{channel}})
	} else {
		err = listenAt(ctx, p, fmt.Sprintf("tcp:127.0.0.1:%d,to=%d", first, last))
	}
	if err != nil {
		return err
	}
	address, err := portOfDestination(ctx, p)
	if err != nil {
		return err
	}
	if n := *port.Of(p); n <= first || n > last {
		return fmt.Errorf("the destination listens on port %d, expected one of %d to %d, for %d is taken", n, first+1, last, first)
	}
	p.URI = "tcp:" + address
	return nil
}

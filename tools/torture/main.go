package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if mode := os.Getenv(fakeMode); mode != "" && filepath.Base(os.Args[0]) == fakeName {
		os.Exit(play(mode, os.Args[1:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the flags say.
type options struct {
	runs, parallel int
	seed           uint64
	kind           string // "" for all
	number         int    // of the only attempt; -1 for all
	drover, qemu   string
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	set := flag.NewFlagSet("torture", flag.ContinueOnError)
	set.SetOutput(stderr)
	var only string
	set.IntVar(&o.runs, "runs", 200, "`attempts` of each kind of files; of killing a quarter of that")
	set.Uint64Var(&o.seed, "seed", 1, "`number` on which all that is random depends")
	set.StringVar(&only, "only", "", "`kind` to try, or one attempt of it: killing, records/17")
	set.IntVar(&o.parallel, "parallel", 2*runtime.NumCPU(), "`attempts` at the same time")
	set.StringVar(&o.drover, "drover", "", "`binary` to try (default: built from ./cmd/drover)")
	set.StringVar(&o.qemu, "qemu", os.Getenv("DROVER_QEMU"), "qemu-system-x86_64 `binary` (default: DROVER_QEMU, else that in PATH)")
	if err = set.Parse(args); err != nil {
		return o, err
	}
	if set.NArg() > 0 {
		return o, fmt.Errorf("torture takes flags only, not %q", set.Arg(0))
	}
	kind, number, one := strings.Cut(only, "/")
	o.kind, o.number = kind, -1
	if one {
		if o.number, err = strconv.Atoi(number); err != nil || o.number < 0 {
			return o, fmt.Errorf("-only %s: %q is no attempt's number", only, number)
		}
	}
	if o.runs < 1 || o.parallel < 1 {
		return o, errors.New("-runs and -parallel must be at least 1")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stderr, "torture:", err)
		}
		return 2
	}
	status, err := torture(ctx, o, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "torture:", err)
		return 2
	}
	return status
}

func torture(ctx context.Context, o options, out io.Writer) (status int, err error) {
	r, err := newRig(ctx, o)
	if err != nil {
		return 2, err
	}
	defer r.remove()
	kinds := kinds(r)
	if o.kind != "" {
		kinds = slices.DeleteFunc(kinds, func(k kind) bool { return k.name != o.kind })
	}
	if len(kinds) == 0 {
		return 2, fmt.Errorf("-only %s: the kinds are killing, records, scenarios, streams, environments, qemus", o.kind)
	}
	began := time.Now()
	for _, k := range kinds {
		sum := r.try(ctx, k, o, out)
		fmt.Fprintln(out, sum)
		if sum.failed > 0 {
			status = 1
		}
	}
	if err := ctx.Err(); err != nil {
		return 2, fmt.Errorf("interrupted: %w", err)
	}
	fmt.Fprintf(out, "seed %d, %.0f s\n", o.seed, time.Since(began).Seconds())
	return status, nil
}

// newRig makes what all attempts share.
func newRig(ctx context.Context, o options) (r *rig, err error) {
	if o.qemu == "" {
		if o.qemu, err = exec.LookPath(fakeName); err != nil {
			return nil, fmt.Errorf("no QEMU: %w; give -qemu, or set DROVER_QEMU", err)
		}
	}
	r = &rig{options: o}
	if r.root, err = filepath.Abs("."); err != nil {
		return nil, err
	}
	if r.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp("", "torture-"); err != nil {
		return nil, err
	}
	if o.drover == "" {
		r.drover = filepath.Join(r.dir, "drover")
		build := exec.CommandContext(ctx, "go", "build", "-o", r.drover, "./cmd/drover")
		if output, err := build.CombinedOutput(); err != nil {
			r.remove()
			return nil, fmt.Errorf("go build ./cmd/drover: %w: %s", err, output)
		}
	} else if r.drover, err = filepath.Abs(o.drover); err != nil {
		return nil, err
	}
	return r, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A rig is what all attempts share. It is safe for concurrent use.
type rig struct {
	options
	root string // of the repository
	dir  string // for all that attempts write
	self string // this program, which plays a QEMU as well
}

func (r *rig) remove() { _ = os.RemoveAll(r.dir) }

// A kind is a way to try to break drover.
type kind struct {
	name  string
	count int
	wait  bool // most of an attempt's time goes by in waiting
	try   func(ctx context.Context, a *attempt) error
}

func kinds(r *rig) []kind {
	environments, qemus := environments(), misbehaviours()
	return []kind{
		{"killing", max(1, r.runs/4), false, tryKilling},
		{"records", r.runs, false, tryRecord},
		{"scenarios", r.runs, false, tryScenario},
		{"streams", r.runs, false, tryStream},
		{"environments", len(environments), false, func(ctx context.Context, a *attempt) error { return environments[a.number].try(ctx, a) }},
		{"qemus", len(qemus), true, func(ctx context.Context, a *attempt) error { return qemus[a.number].try(ctx, a) }},
	}
}

// An attempt is one of a kind. What is random in it is drawn from it.
type attempt struct {
	*rig
	*rand.Rand
	kind   string
	number int
	what   string   // what it is about, in a few words; counted
	dir    string   // its own
	made   []string // folders that it has made among temporary files
	others []string // files of another user, of which the first has to stay, and no other be made
}

// errNotHere says that an attempt can't be made on this host, and why.
type errNotHere struct{ why string }

func (e *errNotHere) Error() string { return e.why }

// A sum says what has come of the attempts of a kind.
type sum struct {
	kind                   string
	held, failed, notTried int
	what                   map[string]int
}

func (s sum) String() string {
	text := fmt.Sprintf("%-12s %d attempts, %d held, %d failed", s.kind, s.held+s.failed, s.held, s.failed)
	if s.notTried > 0 {
		text += fmt.Sprintf(", %d not possible here", s.notTried)
	}
	var parts []string
	for what, n := range s.what {
		parts = append(parts, fmt.Sprintf("%s %d", what, n))
	}
	slices.Sort(parts)
	if len(parts) > 0 && len(parts) <= 12 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text
}

// try makes the attempts of a kind, some at a time, and prints each that failed.
func (r *rig) try(ctx context.Context, k kind, o options, out io.Writer) sum {
	s := sum{kind: k.name, what: map[string]int{}}
	var mu sync.Mutex
	var work sync.WaitGroup
	numbers := make(chan int)
	parallel := o.parallel
	if k.wait {
		parallel *= 3
	}
	for range parallel {
		work.Go(func() {
			for number := range numbers {
				a, err := r.one(ctx, k, number)
				mu.Lock()
				lacks := &errNotHere{}
				switch {
				case ctx.Err() != nil:
				case errors.As(err, &lacks):
					s.notTried++
					fmt.Fprintf(out, "not tried  %s/%d (%s): %s\n", k.name, number, a.what, lacks.why)
				case err != nil:
					s.failed++
					fmt.Fprintf(out, "FAILED  %s/%d (%s): %v\n        repeat it: go run ./tools/torture -qemu %s -seed %d -only %s/%d\n",
						k.name, number, a.what, err, r.qemu, o.seed, k.name, number)
				default:
					s.held++
				}
				s.what[a.what]++
				mu.Unlock()
			}
		})
	}
	first, end := 0, k.count
	if o.number >= 0 {
		first, end = min(o.number, k.count), min(o.number+1, k.count)
		if k.count == r.runs || k.name == "killing" { // there is no end to what is random
			first, end = o.number, o.number+1
		}
	}
	for number := first; number < end && ctx.Err() == nil; number++ {
		numbers <- number
	}
	close(numbers)
	work.Wait()
	return s
}

// one makes an attempt in a folder of its own.
func (r *rig) one(ctx context.Context, k kind, number int) (a *attempt, err error) {
	h := fnv.New64a()
	_, _ = io.WriteString(h, k.name)
	a = &attempt{rig: r, Rand: rand.New(rand.NewPCG(r.seed, h.Sum64()+uint64(number))), kind: k.name, number: number}
	a.dir = filepath.Join(r.dir, fmt.Sprintf("%s-%d", k.name, number))
	for _, name := range []string{"tmp", "artifacts", "cache"} {
		if err := os.MkdirAll(filepath.Join(a.dir, name), 0o700); err != nil {
			return a, err
		}
	}
	err = k.try(ctx, a)
	if removed := os.RemoveAll(a.dir); err == nil {
		err = removed
	}
	return a, err
}

func (a *attempt) path(name string) string { return filepath.Join(a.dir, name) }

// pick is one of several.
func pick[T any](a *attempt, all []T) T { return all[a.IntN(len(all))] }

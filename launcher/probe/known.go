package probe

import (
	"context"
	"path/filepath"
	"sync"
)

// Known is what has been asked of binaries, for who starts the same ones again and again:
// each is asked the first questions once, as by [Binary]. The zero value is ready, and
// so is nil, which keeps nothing. It may be used from several goroutines at once.
type Known struct {
	mu    sync.Mutex
	known map[string]*asked
}

type asked struct {
	mu   sync.Mutex
	info Info
	done bool
}

// Binary is [Binary] of what isn't known yet. An error is not kept.
func (k *Known) Binary(ctx context.Context, path string) (Info, error) {
	if k == nil {
		return Binary(ctx, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return Info{}, err
	}
	q := k.of(path)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done {
		return q.info, nil
	}
	q.info, err = Binary(ctx, path)
	q.done = err == nil
	return q.info, err
}

func (k *Known) of(path string) *asked {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil {
		k.known = map[string]*asked{}
	}
	if k.known[path] == nil {
		k.known[path] = &asked{}
	}
	return k.known[path]
}

package probe

import (
	"context"
	"path/filepath"

	"github.com/drover-vm/drover/internal/once"
)

// Known is what has been asked of binaries, for callers that start the same ones
// again and again: each is asked the first questions once, as by [Binary]. The zero
// value is ready, and so is nil, which keeps nothing. It may be used from several
// goroutines at once.
type Known struct{ known once.Map[string, Info] }

// Binary is [Binary] of what isn't known yet. Callers that ask about the same binary
// at once share one question and its answer, so both sides of a migration get
// of a QEMU that hangs at the same time. An error is not kept beyond those callers.
func (k *Known) Binary(ctx context.Context, path string) (Info, error) {
	if k == nil {
		return Binary(ctx, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return Info{}, err
	}
	return k.known.Get(ctx, path, func(ctx context.Context) (Info, error) { return Binary(ctx, path) })
}

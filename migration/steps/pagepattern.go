package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/internal/ram"
	"github.com/drover-vm/drover/migration/record"
)

// Pages that were sent as data and are zero by then, and the other way round, have to
// be so on the destination. What is sent, and what is left out, is decided page by
// page, by another piece of code in each way to send them.
func patternVerbs() migration.Vocabulary {
	const which = "the number of the pattern"
	return migration.Vocabulary{
		{
			Name: "write page-pattern", Args: "0..3",
			Doc:     "Writes a pattern of data and zeros to 8192 pages that the guest doesn't touch.",
			Example: "write page-pattern 1",
			Step:    func(a *migration.Args) migration.Step { return WritePagePattern(patternNumber(a, which)) },
		},
		{
			Name: "change page-pattern", Args: "0..3",
			Doc:     "Writes those pages of another pattern that differ from the last, while the guest runs: some go from data to zero, some back, and some to other data.",
			Example: "change page-pattern 2",
			Step:    func(a *migration.Args) migration.Step { return ChangePagePattern(patternNumber(a, which)) },
		},
		{
			Name:    "expect page-pattern",
			Doc:     "The destination has the pattern that was written last on the source, in every page.",
			Example: "expect page-pattern", Step: do(ExpectPagePattern),
		},
		{
			Name:    "fill memory",
			Doc:     "Writes data to every 16th stretch of 2 MiB above the memory that the guest program works on.",
			Example: "fill memory", Step: do(FillMemory),
		},
		{
			Name:    "expect data-sent",
			Doc:     "What went over the link is no less than the data that the memory was filled with, and not much more than that, the workload's pages in each pass, and 9 bytes for each zero page.",
			Example: "expect data-sent", Step: do(ExpectDataSent),
		},
	}
}

func patternNumber(a *migration.Args, what string) int {
	n := a.Int(what)
	if n >= patterns {
		a.Fail("there is no page pattern %d: the patterns are 0 to %d", n, patterns-1)
		return 0
	}
	return n
}

// writtenPatterns are the numbers of those that were written, the last one last.
var writtenPatterns migration.Slot[[]int]

// errNoPattern says that a step is about a page pattern that was never written.
var errNoPattern = errors.New("no page pattern was written before")

// WritePagePattern writes a pattern, 0 to 3, to pages that the guest doesn't touch.
func WritePagePattern(pattern int) migration.Step {
	s := patternStep(fmt.Sprintf("write page-pattern %d", pattern), pattern, func(*migration.Pair) (func(stretch) bool, error) {
		return func(stretch) bool { return true }, nil
	})
	s.Wants, s.Gives = []string{"boot"}, []string{"write page-pattern"}
	return s
}

// ChangePagePattern writes those pages of a pattern, 0 to 3, that differ from the pattern
// before, on a guest that runs.
func ChangePagePattern(pattern int) migration.Step {
	s := patternStep(fmt.Sprintf("change page-pattern %d", pattern), pattern, func(p *migration.Pair) (func(stretch) bool, error) {
		written := *writtenPatterns.Of(p)
		if len(written) == 0 {
			return nil, errNoPattern
		}
		last := written[len(written)-1]
		return func(s stretch) bool { return s.hold[pattern] != s.hold[last] }, nil
	})
	s.Wants = []string{"write page-pattern"}
	return s
}

// patternStep is a step that writes a pattern to some of the stretches.
func patternStep(name string, pattern int, which func(p *migration.Pair) (func(stretch) bool, error)) migration.Step {
	return step(name, func(ctx context.Context, p *migration.Pair) error {
		if pattern < 0 || pattern >= patterns {
			return fmt.Errorf("there is no page pattern %d: the patterns are 0 to %d", pattern, patterns-1)
		}
		taken, err := which(p)
		if err != nil {
			return err
		}
		for _, s := range stretches(p.Program.RAMStart) {
			if !taken(s) {
				continue
			}
			if err := s.write(ctx, p.Source.QTest(), pattern); err != nil {
				return err
			}
		}
		written := writtenPatterns.Of(p)
		*written = append(*written, pattern)
		return nil
	}).WithTimeout(3 * migration.StepTimeout)
}

// ExpectPagePattern gathers how many of the pages hold on the destination what they were
// last given on the source.
func ExpectPagePattern() migration.Step {
	expect := onDestination("expect page-pattern", func(ctx context.Context, p *migration.Pair) error {
		written := *writtenPatterns.Of(p)
		if len(written) == 0 {
			return errNoPattern
		}
		last := written[len(written)-1]
		memory, err := p.Destination.Memory(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = memory.Close() }()
		found := make([]byte, stretchPages*ram.PageSize)
		for _, s := range stretches(p.Program.RAMStart) {
			if _, err := memory.ReadAt(found, int64(s.at)); err != nil {
				return err
			}
			right, wrong := 0, ""
			for n := range stretchPages {
				want, have := s.page(n, last), found[n*ram.PageSize:(n+1)*ram.PageSize]
				i := ram.FirstDifference(want, have)
				switch {
				case i < 0:
					right++
				case wrong == "":
					wrong = fmt.Sprintf("; not so at %#x, where %#02x is expected and %#02x found", s.at+uint64(n*ram.PageSize+i), want[i], have[i])
				}
			}
			p.Measure(fmt.Sprintf("pages from %#x on that hold %#x%s%s", s.at, s.hold[last], s.heldBefore(written), wrong),
				float64(right), "pages", record.Exactly(stretchPages))
		}
		return nil
	})
	expect.Wants = []string{"write page-pattern", "migrate"}
	return expect
}

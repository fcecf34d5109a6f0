package eventlog_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/drover-vm/drover/protocol/internal/eventlog"
)

// An entry knows its place, as events and IRQ changes do.
type entry struct {
	place  eventlog.Mark
	writer int
	number int
}

func add(l *eventlog.Log[entry], writer, number int) {
	l.Append(func(m eventlog.Mark) entry { return entry{m, writer, number} })
}

// filled returns a log with n entries, numbered from 0.
func filled(bound, n int) *eventlog.Log[entry] {
	l := eventlog.New[entry](bound)
	for i := range n {
		add(l, 0, i)
	}
	return l
}

func TestAnEntryIsFoundAtItsPlace(t *testing.T) {
	l := filled(8, 3)
	require.Equal(t, eventlog.Mark(3), l.Mark())
	for i := range 3 {
		e, err := l.At(t.Context(), eventlog.Mark(i))
		require.NoError(t, err)
		require.Equal(t, entry{eventlog.Mark(i), 0, i}, e)
	}
}

func TestAnEntryThatIsThereIsFoundByAnEndedContext(t *testing.T) {
	l := filled(8, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.At(ctx, 0)
	require.NoError(t, err)
	_, err = l.At(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
}

func TestADroppedPlaceSaysHowManyAreLostAndWhereToGoOn(t *testing.T) {
	l := filled(4, 10)
	_, err := l.At(t.Context(), 1)
	lost, ok := errors.AsType[*eventlog.LostError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, &eventlog.LostError{Lost: 5, Next: 6}, lost)
	require.Contains(t, err.Error(), "5 events")
	e, err := l.At(t.Context(), lost.Next)
	require.NoError(t, err)
	require.Equal(t, 6, e.number)
}

func TestABoundThatIsNoBoundIsTheDefault(t *testing.T) {
	for _, bound := range []int{0, -1} {
		l := filled(bound, eventlog.DefaultBound)
		_, err := l.At(t.Context(), 0)
		require.NoError(t, err)
		add(l, 0, 0)
		_, err = l.At(t.Context(), 0)
		require.ErrorAs(t, err, new(*eventlog.LostError))
	}
}

func TestTheSmallestLogKeepsTheLastEntry(t *testing.T) {
	l := filled(1, 5)
	e, err := l.At(t.Context(), 4)
	require.NoError(t, err)
	require.Equal(t, 4, e.number)
}

func TestAfterTheEndComesWhatIsLeftAndThenTheError(t *testing.T) {
	l := filled(8, 2)
	reason := errors.New("the peer has exited")
	l.End(reason)
	l.End(errors.New("a second reason"))
	l.Append(func(eventlog.Mark) entry { t.Fatal("appended behind the end"); return entry{} })
	var numbers []int
	for e, err := range l.All(t.Context(), 0) {
		if err != nil {
			require.ErrorIs(t, err, reason)
			break
		}
		numbers = append(numbers, e.number)
	}
	require.Equal(t, []int{0, 1}, numbers)
	require.Equal(t, eventlog.Mark(2), l.Mark())
}

func TestAnEndWithoutAReasonIsEOF(t *testing.T) {
	l := filled(8, 0)
	l.End(nil)
	_, err := l.At(t.Context(), 0)
	require.ErrorIs(t, err, io.EOF)
}

func TestAWaiterIsWokenByTheEntryItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filled(8, 2)
		got := make(chan entry, 1)
		go func() {
			e, _ := l.At(t.Context(), 3)
			got <- e
		}()
		add(l, 0, 2)
		synctest.Wait()
		require.Empty(t, got, "woken by the entry before")
		add(l, 0, 3)
		require.Equal(t, 3, (<-got).number)
	})
}

func TestEveryWaiterGetsTheEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filled(8, 1)
		reason := errors.New("the peer has exited")
		errs := make(chan error, 10)
		for i := range 10 {
			go func() {
				_, err := l.At(t.Context(), eventlog.Mark(1+i))
				errs <- err
			}()
		}
		synctest.Wait()
		l.End(reason)
		for range 10 {
			require.ErrorIs(t, <-errs, reason)
		}
	})
}

func TestADeadlineEndsOneWaitOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filled(8, 0)
		longer := make(chan error, 1)
		go func() {
			_, err := l.At(t.Context(), 0)
			longer <- err
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := l.At(ctx, 0)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
		add(l, 0, 0)
		require.NoError(t, <-longer)
	})
}

func TestTheContextsCauseIsTheError(t *testing.T) {
	cause := errors.New("the user went home")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := filled(8, 0).At(ctx, 0)
	require.ErrorIs(t, err, cause)
}

// Readers and writers of every kind at once: each reader sees every entry
// that it isn't told it lost, once, in order, each writer's in its own order.
func TestEveryReaderSeesEveryEntryOnceAndInOrder(t *testing.T) {
	const writers, each, readers = 4, 5000, 6
	for name, bound := range map[string]int{"all kept": writers * each, "some dropped": 64} {
		t.Run(name, func(t *testing.T) {
			l := eventlog.New[entry](bound)
			reason := errors.New("the end")
			var reading, writing sync.WaitGroup
			for range readers {
				reading.Go(func() {
					seen, lost, err := follow(t.Context(), l)
					if err != reason || seen+lost != writers*each || (bound == writers*each && lost > 0) {
						t.Errorf("seen %d, lost %d of %d: %v", seen, lost, writers*each, err)
					}
				})
			}
			for w := range writers {
				writing.Go(func() {
					for i := range each {
						add(l, w, i)
					}
				})
			}
			writing.Wait()
			l.End(reason)
			reading.Wait()
		})
	}
}

// follow reads a log to its end. An entry out of order is an error.
func follow(ctx context.Context, l *eventlog.Log[entry]) (seen, lost uint64, err error) {
	last := map[int]int{}
	for e, err := range l.All(ctx, 0) {
		if gap, ok := errors.AsType[*eventlog.LostError](err); ok {
			lost += gap.Lost
			continue
		}
		if err != nil {
			return seen, lost, err
		}
		if previous, ok := last[e.writer]; ok && e.number <= previous || uint64(e.place) != seen+lost {
			return seen, lost, errors.New("an entry out of order")
		}
		last[e.writer] = e.number
		seen++
	}
	return seen, lost, nil
}

// The log against the plainest model of it: a slice that forgets.
func TestLogAgreesWithASliceThatForgets(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.IntRange(1, 9).Draw(t, "bound")
		most := rapid.IntRange(0, 30).Draw(t, "most")
		l := eventlog.New[entry](bound)
		l.Weigh(most, func(e entry) int { return e.number })
		var all []entry
		oldest, weight := 0, 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				e := entry{eventlog.Mark(len(all)), 0, rapid.IntRange(0, 12).Draw(t, "weight")}
				add(l, e.writer, e.number)
				all = append(all, e)
				weight += e.number
				for len(all)-oldest > bound || weight > most && len(all)-oldest > 1 {
					weight -= all[oldest].number
					oldest++
				}
			},
			"read": func(t *rapid.T) {
				place := rapid.IntRange(0, len(all)+2).Draw(t, "place")
				e, err := l.At(ctx, eventlog.Mark(place))
				switch {
				case place < oldest:
					require.Equal(t, &eventlog.LostError{Lost: uint64(oldest - place), Next: eventlog.Mark(oldest)}, err)
				case place < len(all):
					require.NoError(t, err)
					require.Equal(t, all[place], e)
				default:
					require.ErrorIs(t, err, context.Canceled)
				}
			},
			"": func(t *rapid.T) { require.Equal(t, eventlog.Mark(len(all)), l.Mark()) },
		})
	})
}

func BenchmarkAppendNobodyWaits(b *testing.B) {
	b.ReportAllocs()
	l := eventlog.New[entry](0)
	for b.Loop() {
		add(l, 0, 0)
	}
}

func BenchmarkAppendAndReadBehindIt(b *testing.B) {
	b.ReportAllocs()
	l := eventlog.New[entry](0)
	for b.Loop() {
		from := l.Mark()
		add(l, 0, 0)
		if _, err := l.At(b.Context(), from); err != nil {
			b.Fatal(err)
		}
	}
}

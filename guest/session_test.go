package guest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/guest/wire"
)

// A speaker writes lines as a guest does.
type speaker struct {
	t    *testing.T
	last uint64
}

func (s *speaker) say(verb wire.Verb, body any) string {
	s.t.Helper()
	s.last++
	l, err := wire.New(s.last, time.Duration(s.last)*time.Second, verb, body)
	require.NoError(s.t, err)
	return string(l.Append(nil))
}

func (s *speaker) beat() string { return s.say(wire.SaysBeat, wire.Beat{Number: s.last}) }

func at(ms int) time.Time { return time.UnixMilli(int64(ms)) }

func TestWhatAGuestSaysIsHeard(t *testing.T) {
	g, s := guest.NewSession(), &speaker{t: t}
	require.False(t, g.Began([]string{"memory"}))
	g.Feed("source", at(0), []byte("SeaBIOS\r\n[ 0.1] booting"))
	g.Feed("source", at(1), []byte(s.say(wire.SaysHello, wire.Hello{Kernel: "6.1", CPUs: 2})))
	require.Equal(t, "6.1", g.Hello().Kernel)
	require.False(t, g.Began([]string{"memory"}))
	counts := wire.Counts{Worker: "memory", Rounds: 1, Counts: map[string]uint64{"pages": 8}}
	g.Feed("source", at(2), []byte(s.say(wire.SaysCounts, counts)))
	require.True(t, g.Began([]string{"memory"}))
	g.Feed("source", at(10), []byte(s.beat()+s.beat()))
	g.Feed("source", at(40), []byte(s.beat()))
	require.Equal(t, 3, g.From("source").Beats)
	require.Equal(t, 30*time.Millisecond, g.From("source").Longest)
	require.Equal(t, at(40), g.From("source").Last)

	number, text := g.Command(wire.Report, "")
	sent, err := wire.Parse([]byte(strings.TrimSuffix(string(text), "\n")))
	require.NoError(t, err)
	require.Equal(t, wire.Report, sent.Verb)
	require.Equal(t, []string{"memory"}, g.Unreported(number, []string{"memory"}))
	counts.Report = number
	g.Feed("source", at(50), []byte(s.say(wire.SaysCounts, counts)+s.say(wire.SaysDone, wire.Command{Verb: wire.Report, Number: number})))
	require.True(t, g.Reported(number, []string{"memory"}))
	require.True(t, g.Done(number))
	g.Feed("destination", at(60), []byte(s.say(wire.SaysComplaint, wire.Complaint{Worker: "memory", Text: "a byte is wrong"})))
	require.Equal(t, 1, g.Workers()["memory"].Total)
	require.Contains(t, g.Workers()["memory"].Complaints[0], "a byte is wrong (on the destination")
	g.Feed("destination", at(61), []byte(s.say(wire.SaysProblem, wire.Problem{Text: "no module"})))
	require.Equal(t, []string{"no module"}, g.Problems())
	lost, doubled, damaged := g.Lines()
	require.Zero(t, lost+doubled+damaged)
	require.False(t, g.Restarted())
}

// TestALineThatTheMoveCutIsHeard: wherever the switchover cuts it, and whichever side's bytes
// arrive here first.
func TestALineThatTheMoveCutIsHeard(t *testing.T) {
	whole := func() []string {
		s := &speaker{t: t}
		return []string{s.beat(), s.beat(), s.beat(), s.beat()}
	}
	cut := len(whole()[1])
	for i := range cut + 1 {
		for _, late := range []bool{false, true} {
			lines := whole()
			g := guest.NewSession()
			g.Feed("source", at(0), []byte(lines[0]))
			source, destination := lines[1][:i], lines[1][i:]+lines[2]
			if late {
				g.Feed("destination", at(2), []byte(destination))
				g.Feed("source", at(1), []byte(source))
			} else {
				g.Feed("source", at(1), []byte(source))
				g.Feed("destination", at(2), []byte(destination))
			}
			g.Feed("destination", at(3), []byte(lines[3]))
			lost, doubled, damaged := g.Lines()
			require.Zero(t, lost+doubled+damaged, "cut behind byte %d, late %v", i, late)
			require.Equal(t, 4, g.From("source").Beats+g.From("destination").Beats, "cut behind byte %d, late %v", i, late)
		}
	}
}

func TestLinesThatAreMissingAreCounted(t *testing.T) {
	g, s := guest.NewSession(), &speaker{t: t}
	one, two, three, four := s.beat(), s.beat(), s.beat(), s.beat()
	g.Feed("source", at(0), []byte(one+four))
	lost, _, _ := g.Lines()
	require.Equal(t, 2, lost)
	g.Feed("source", at(1), []byte(strings.Replace(two, "beat", "bear", 1)+three))
	lost, doubled, damaged := g.Lines()
	require.Equal(t, []int{1, 0, 1}, []int{lost, doubled, damaged})
	g.Feed("source", at(2), []byte(three))
	_, doubled, _ = g.Lines()
	require.Equal(t, 1, doubled)
}

func TestAGuestThatBootsAgainIsNoticedUnlessItWasTo(t *testing.T) {
	g := guest.NewSession()
	boot := func() {
		g.Feed("source", at(0), []byte((&speaker{t: t}).say(wire.SaysHello, wire.Hello{Kernel: "6.1"})))
	}
	boot()
	require.False(t, g.Restarted())
	g.ExpectRestart()
	require.False(t, g.Began(nil), "it is still to boot")
	boot()
	require.True(t, g.Began(nil))
	require.False(t, g.Restarted())
	boot()
	require.True(t, g.Restarted())
}

func TestAGuestThatMovesOnIsHeardOnItsNewSides(t *testing.T) {
	g, s := guest.NewSession(), &speaker{t: t}
	g.Feed("source", at(0), []byte(s.beat()))
	next := s.beat()
	g.Feed("destination", at(1), []byte(s.beat()[:0]+next[:5]))
	g.Feed("destination", at(1), []byte(next[5:]))
	half := s.beat()
	g.Renamed("destination", "source")
	g.NewStream("destination")
	require.Zero(t, g.From("source").Beats, "what was heard belongs to the way before")
	s.last = 3
	rest := s.beat()
	_ = half
	g.Feed("source", at(2), []byte(rest))
	require.Equal(t, 1, g.From("source").Beats)
}

func FuzzSession(f *testing.F) {
	f.Add([]byte("drover1 1 2 beat {\"Number\":1} 00000000\n"), 7)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		g := guest.NewSession()
		cut = min(max(cut, 0), len(text))
		g.Feed("source", at(0), text[:cut])
		g.Feed("destination", at(1), text[cut:])
		g.Workers()
		g.Lines()
	})
}

// TestWhatTheGuestsClockLost: the quickest line counts on each side, of those since it is timed anew.
func TestWhatTheGuestsClockLost(t *testing.T) {
	g, s := guest.NewSession(), &speaker{t: t} // which says a line each second of its clock
	lost := func() time.Duration {
		t.Helper()
		lost, ok := g.ClockLost("source", "destination")
		require.True(t, ok)
		return lost
	}
	_, ok := g.ClockLost("source", "destination")
	require.False(t, ok)
	g.Feed("source", at(1900), []byte(s.beat())) // 0.9 s late
	g.Feed("source", at(2001), []byte(s.beat()))
	_, ok = g.ClockLost("source", "destination")
	require.False(t, ok)
	g.Feed("destination", at(3500), []byte("\n"+s.beat()))
	g.Feed("destination", at(4034), []byte(s.beat()))
	require.Equal(t, 33*time.Millisecond, lost())
	g.Feed("destination", at(5400), []byte(s.beat()))
	require.Equal(t, 33*time.Millisecond, lost(), "the line may have been late")
	g.TimeAnew("destination")
	g.Feed("destination", at(6400), []byte(s.beat()))
	require.Equal(t, 399*time.Millisecond, lost(), "as it was not")

	_, _ = g.Command(wire.Suspend, "")
	_, ok = g.ClockLost("source", "destination")
	require.False(t, ok, "it sleeps, and so does its clock")
}

func TestTheClockOfAGuestThatBootsAgainIsAnother(t *testing.T) {
	g, s := guest.NewSession(), &speaker{t: t}
	g.Feed("source", at(1000), []byte(s.beat()))
	g.ExpectRestart()
	s.last = 0
	g.Feed("destination", at(9000), []byte("\n"+s.beat()))
	_, ok := g.ClockLost("source", "destination")
	require.False(t, ok)
}

package main

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
)

func migrating(now time.Time) *underWay {
	u := &underWay{name: "x86_64/auto_converge/tailslow", step: "await switchover", since: now.Add(-3200 * time.Millisecond)}
	u.sample(record.Sample{Time: now.Add(-time.Second), Status: "active", Bytes: 100e6, Remaining: 50e6, Passes: 3})
	u.sample(record.Sample{Time: now, Status: "active", Bytes: 181e6, Remaining: 12e6, Passes: 4, Throttle: 20, DowntimeMS: 12})
	return u
}

func TestLiveLinesFitAnyTerminal(t *testing.T) {
	now := time.Now()
	half := outlook{total: 154, done: 76, left: func() (time.Duration, bool) { return 250 * time.Second, true }}
	require.Equal(t, []string{
		"77/154, 4m10s left  x86_64/auto_converge/tailslow 3.2 s: await switchover (and 1 more)",
		"         active, 181 MB sent, 81 MB/s, 12 MB left, pass 4, throttle 20 %, downtime 12 ms",
	}, liveLines(half, []*underWay{migrating(now), migrating(now)}, now, 100))
	require.Equal(t, []string{
		"77/154 erge/tailslow",
		"active, 181 MB sent",
	}, liveLines(half, []*underWay{migrating(now)}, now, 21))
	require.Equal(t, []string{"...      x86_64/boot 1.0 s: boot"}, liveLines(outlook{}, []*underWay{{name: "x86_64/boot", step: "boot", since: now.Add(-time.Second)}}, now, 80))
	require.Empty(t, liveLines(half, nil, now, 80))
	for columns := 20; columns < 200; columns++ {
		for _, line := range liveLines(half, []*underWay{migrating(now)}, now, columns) {
			require.Less(t, utf8.RuneCountInString(line), columns, line)
		}
	}
}

func TestLiveLinesObeyNobody(t *testing.T) {
	u := migrating(time.Now())
	u.name, u.step = hostile, hostile
	u.last.Status = hostile
	for _, columns := range []int{20, 100} {
		for _, line := range liveLines(outlook{}, []*underWay{u}, time.Now(), columns) {
			require.NotContains(t, line, "\x1b")
			require.NotContains(t, line, "\n")
		}
	}
}

func TestTimeLeftIsThatOfEarlierRuns(t *testing.T) {
	times := &durations{seconds: map[string]float64{"a": 10, "b": 20, "z": 1000}}
	o := outlookOf([]string{"a", "b", "new"}, 1, times)
	left, ok := o.left()
	require.True(t, ok)
	require.Equal(t, 45*time.Second, left, "what was never run takes as long as what was, on average")
	o.next("b")
	left, _ = o.left()
	require.Equal(t, 25*time.Second, left)
	require.Equal(t, "2/3, 25s left", o.String())

	o = outlookOf([]string{"a", "b"}, 2, times)
	left, _ = o.left()
	require.Equal(t, 15*time.Second, left, "two at a time")
	require.Nil(t, outlookOf([]string{"a", "x", "y"}, 1, times).left, "too little is known")
	require.Equal(t, "1/3", outlookOf([]string{"a", "x", "y"}, 1, times).String())
	require.Empty(t, outlookOf(nil, 1, times).String())
}

func TestTimesAreKeptForLaterRuns(t *testing.T) {
	t.Setenv("DROVER_CACHE", t.TempDir())
	d := openDurations()
	d.add("a", &record.Result{Outcome: record.Pass, Seconds: 2})
	d.add("skipped", &record.Result{Outcome: record.Skip, Seconds: 2})
	d.save()
	again := openDurations()
	seconds, known := again.of("a")
	require.True(t, known)
	require.Equal(t, 2.0, seconds)
	_, known = again.of("skipped")
	require.False(t, known)
	again.seconds["wrong"] = -1
	_, known = again.of("wrong")
	require.False(t, known)
}

package bench_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/bench"
)

// measured makes up results: 4 methods x 4 amounts, some rounds, with noise of a tenth.
func measured(seed uint64, rounds int, change func(m *bench.Measurement)) *bench.Results {
	random := rand.New(rand.NewPCG(seed, 1))
	noisy := func(x float64) float64 { return x * math.Exp(0.1*random.NormFloat64()) }
	r := &bench.Results{Format: bench.Format, QEMU: "10.0.13", Accel: "tcg", Rounds: rounds, WithinMS: 3000}
	for i, method := range []string{"precopy", "xbzrle", "multifd-2", "postcopy"} {
		for j, bytes := range []float64{0, 8e6, 32e6, math.Inf(1)} {
			for round := range rounds {
				m := bench.Measurement{
					Point: bench.Point{Method: method, Dirty: bench.Dirty{Bytes: bytes}, Bandwidth: 2e8, DowntimeMS: 300},
					Round: round + 1, Converged: j < 3 || method == "postcopy", TotalMS: noisy(100 * float64(1+i+4*j)), DowntimeMS: math.Round(noisy(float64(3 + 20*j))),
					DowntimeEventsMS: noisy(float64(3 + 20*j)), Bytes: noisy(1e7 * float64(1+j)), Passes: float64(2 + j), SourceVCPU: noisy(0.3), SourceOther: noisy(0.05),
					DestinationOther: noisy(0.03), Speed: noisy(25), Slowdown: noisy(1.1), SourceRSS: noisy(1e8), DestinationRSS: noisy(1e8), HostSlowdown: noisy(1.1),
				}
				m.Throughput = m.Bytes / m.TotalMS * 1000
				change(&m)
				r.Measurements = append(r.Measurements, m)
			}
		}
	}
	return r
}

func asIs(*bench.Measurement) {}

func verdictOf(c *bench.Comparison, metric string) bench.Verdict {
	for _, d := range c.Differences {
		if d.Metric == metric && d.Point == "" {
			return d.Verdict
		}
	}
	return ""
}

func TestTwoRunsOfTheSameQEMUDoNotDiffer(t *testing.T) {
	worse := 0
	for seed := range uint64(20) {
		c, err := bench.Compare(measured(2*seed, 3, asIs), measured(2*seed+1, 3, asIs))
		require.NoError(t, err)
		require.False(t, c.Undecided())
		if c.Worse() {
			worse++
		}
	}
	require.Zero(t, worse)
}

func TestWhatIsSlowerIsWorseAndWhatIsFasterIsBetter(t *testing.T) {
	slower := func(m *bench.Measurement) { m.TotalMS *= 1.3 }
	c, err := bench.Compare(measured(1, 3, asIs), measured(2, 3, slower))
	require.NoError(t, err)
	require.True(t, c.Worse())
	require.Equal(t, bench.Worse, verdictOf(c, "total time"))
	require.Equal(t, bench.Same, verdictOf(c, "bytes"))
	c, err = bench.Compare(measured(1, 3, slower), measured(2, 3, asIs))
	require.NoError(t, err)
	require.False(t, c.Worse())
	require.Equal(t, bench.Better, verdictOf(c, "total time"))
	slowGuest := func(m *bench.Measurement) { m.Speed /= 5 }
	c, err = bench.Compare(measured(1, 3, asIs), measured(2, 3, slowGuest))
	require.NoError(t, err)
	require.Equal(t, bench.Worse, verdictOf(c, "guest's speed before"), "of which more is better")
}

func TestOnePointThatIsWorseIsFoundWhereThereAreRoundsEnough(t *testing.T) {
	one := func(m *bench.Measurement) {
		if m.Point.Method == "xbzrle" && m.Point.Dirty.Bytes == 32e6 {
			m.TotalMS *= 3
		}
	}
	c, err := bench.Compare(measured(1, 10, asIs), measured(2, 10, one))
	require.NoError(t, err)
	require.True(t, c.Worse())
	var points []string
	for _, d := range c.Differences {
		if d.Point != "" && d.Verdict == bench.Worse && d.Metric == "total time" {
			points = append(points, d.Point)
		}
	}
	require.Equal(t, []string{"xbzrle, dirty 32MB, 200MB/s, 300 ms"}, points)
}

func TestTimesOnABusierHostAreNoVerdict(t *testing.T) {
	busy := func(m *bench.Measurement) {
		m.TotalMS, m.HostSlowdown, m.Throughput = 1.6*m.TotalMS, 1.6*m.HostSlowdown, m.Throughput/1.6
	}
	c, err := bench.Compare(measured(1, 3, asIs), measured(2, 3, busy))
	require.NoError(t, err)
	require.False(t, c.Worse())
	require.True(t, c.Undecided())
	require.Equal(t, bench.Blurred, verdictOf(c, "total time"))
	bytes := func(m *bench.Measurement) { busy(m); m.Bytes *= 2 }
	c, err = bench.Compare(measured(1, 3, asIs), measured(2, 3, bytes))
	require.NoError(t, err)
	require.True(t, c.Worse(), "the host's load sends no bytes")
}

func TestSettingsThatDifferAreNotedAndComparedAcross(t *testing.T) {
	half := func(m *bench.Measurement) { m.Point.Bandwidth /= 2; m.TotalMS *= 2 }
	c, err := bench.Compare(measured(1, 3, asIs), measured(2, 3, half))
	require.NoError(t, err)
	require.Equal(t, []string{"bandwidth: 200MB/s before, 100MB/s now"}, c.Notes)
	require.Equal(t, bench.Worse, verdictOf(c, "total time"))
	_, err = bench.Compare(measured(1, 3, asIs), measured(2, 3, func(m *bench.Measurement) { m.Point.Method = "zstd" }))
	require.ErrorIs(t, err, bench.ErrNothingCommon)
}

func TestConvergenceThatIsLostIsWorse(t *testing.T) {
	lost := func(m *bench.Measurement) {
		if m.Point.Dirty.Bytes == 32e6 && m.Point.Method == "precopy" {
			m.Converged = false
		}
	}
	c, err := bench.Compare(measured(1, 3, asIs), measured(2, 3, lost))
	require.NoError(t, err)
	require.Len(t, c.Convergence, 1)
	require.True(t, c.Worse())
}

func TestAdviceNamesWhatKeptTheDowntimeWithItsEvidence(t *testing.T) {
	r := measured(1, 3, func(m *bench.Measurement) {
		if m.Point.Method == "postcopy" {
			m.Postcopy = 4
		}
	})
	wish := bench.Wish{Dirty: bench.Dirty{Bytes: 10e6}, Bandwidth: 3e8, DowntimeMS: 300}
	all, err := r.Advise(wish)
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.Equal(t, "precopy", all[0].Point.Method)
	require.Equal(t, 32e6, all[0].Point.Dirty.Bytes, "the least that is as hard")
	require.True(t, all[3].Kept)
	require.Equal(t, "postcopy", all[3].Point.Method, "it slows the guest down")
	require.Positive(t, all[0].DowntimeMS)

	wish.Dirty.Bytes = math.Inf(1)
	all, err = r.Advise(wish)
	require.NoError(t, err)
	require.Equal(t, "postcopy", all[0].Point.Method)
	require.True(t, all[0].Kept)
	require.False(t, all[1].Kept)
	require.Contains(t, all[1].Why, "3 of 3 did not converge in 3.0 s")

	wish.Bandwidth = 1e8
	_, err = r.Advise(wish)
	require.ErrorContains(t, err, `run "drover bench --dirty all --bandwidth 100MB/s --downtime 300ms"`)
}

func TestResultsAreReadAsTheyWereSaved(t *testing.T) {
	r := measured(1, 2, asIs)
	text, err := r.JSON()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "bench.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	again, err := bench.Read(path)
	require.NoError(t, err)
	require.Equal(t, r, again)
	for name, text := range map[string]string{"other format": `{"Format": 9}`, "no JSON": "x", "no amount": `{"Format":1,"Measurements":[{"Point":{"Dirty":"much"}}]}`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := bench.Read(path)
		require.ErrorContains(t, err, path, name)
	}
	_, err = bench.Read(t.TempDir())
	require.Error(t, err)
}

func TestBenchmarkLinesHaveANameAndPairsOfNumberAndUnit(t *testing.T) {
	var b strings.Builder
	require.NoError(t, measured(1, 2, asIs).WriteBenchmarks(&b))
	lines := 0
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "Benchmark") {
			continue
		}
		lines++
		fields := strings.Fields(line)
		require.Equal(t, "1", fields[1])
		require.Zero(t, len(fields)%2)
		require.Equal(t, "unconverged", fields[3])
		require.Equal(t, fields[2] == "0", strings.Contains(line, " ns/op"), "what did not converge has no time")
	}
	require.Equal(t, 32, lines)
	require.Contains(t, b.String(), "BenchmarkMigrate/method=precopy/dirty=8MB/bandwidth=200MBps/limit=300ms/ram=0 1 ")
	require.Contains(t, b.String(), "Unit beats/s better=higher\n")
}

package stats_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"

	"github.com/drover-vm/drover/migration/bench/stats"
)

func TestSizesAndRatesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "4096": 4096, "64KiB": 64 << 10, "200MB/s": 200e6, "1.5GB/s": 1.5e9, "256MiB": 256 << 20, "2GiB": 2 << 30} {
		got, err := stats.ParseSize(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, bad := range []string{"", "MB", "-1MB", "1e6", "1 MB", "0.5B", "1MBs", "99999999999GB", "1Mb/s", strings.Repeat("9", 400)} {
		_, err := stats.ParseSize(bad)
		require.Error(t, err, bad)
	}
	for _, text := range []string{"0", "all", "200MB/s", "1GB/s", "1001B/s"} {
		rate, err := stats.ParseRate(text)
		require.NoError(t, err)
		require.Equal(t, text, rate.String())
	}
	require.Equal(t, "1536MiB", stats.MemoryText(1536))
	require.Equal(t, "2GiB", stats.MemoryText(2048))
	_, err := stats.ParseRate("much")
	require.ErrorContains(t, err, "all for as fast as the guest can")
}

func TestASummaryIsMedianAndQuartiles(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   string
	}{
		{nil, "–"},
		{[]float64{0.3121}, "312 ms"},
		{[]float64{0.3, 0.1, 0.2}, "200 ms ±25%"},
		{[]float64{4, 1, 3, 2}, "2500 ms ±30%"},
		{[]float64{0, 0, 0}, "0 ms ±0%"},
		{[]float64{11, 11, 600}, "11.0 s ±1339%"},
	} {
		require.Equal(t, test.want, stats.Summarize(test.values).Text("s"), test.values)
	}
	require.Equal(t, "1.50 GB/s", stats.Text(1.5e9, "bytes/s"))
	require.Equal(t, "25.3", stats.Text(25.31, ""))
	require.Equal(t, "4", stats.Text(4, ""))
	require.Equal(t, "512 B", stats.Text(512, "bytes"))
}

func TestResultsAreReadAsTheyWereWritten(t *testing.T) {
	r := madeResults(3, 4, usual, grid()...)
	r.Cell(cellOf("zstd", 0)).Skipped = "this QEMU has no zstd"
	dir := t.TempDir()
	text, err := r.JSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, stats.File), text, 0o600))
	for _, path := range []string{dir, filepath.Join(dir, stats.File)} {
		read, err := stats.Load(path)
		require.NoError(t, err)
		require.Equal(t, r, read)
	}
}

func TestResultsThatCantBeAreRefused(t *testing.T) {
	whole, err := madeResults(3, 1, usual, grid()[0]).JSON()
	require.NoError(t, err)
	for name, test := range map[string]struct{ old, with, says string }{
		"no JSON":           {"{", "}", "no result of drover bench"},
		"another format":    {`"Format": 1`, `"Format": 7`, "the results have format 7, and this drover reads 1: measure again"},
		"something else":    {`"Format": 1`, `"Formats": 1`, "unknown field"},
		"no method":         {`"precopy"`, `""`, "a cell that can't be"},
		"a negative time":   {`"total-sec": `, `"total-sec": -`, "total-sec is -"},
		"a rate of no kind": {`"DirtyRate": "0"`, `"DirtyRate": "fast"`, "no size"},
		"too much RAM":      {`"MemoryMiB": 256`, `"MemoryMiB": 99999999999999`, "a cell that can't be"},
		"an endless limit":  {`"DowntimeMS": 300`, `"DowntimeMS": 9223372036854775807`, "a cell that can't be"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(string(whole), test.old, test.with, 1)
			require.NotEqual(t, string(whole), text)
			_, err := stats.Parse([]byte(text))
			require.ErrorContains(t, err, test.says)
		})
	}
	twice := madeResults(3, 1, usual, grid()[0])
	twice.Cells = append(twice.Cells, twice.Cells[0])
	text, err := twice.JSON()
	require.NoError(t, err)
	_, err = stats.Parse(text)
	require.ErrorContains(t, err, "the cell twice")
	_, err = stats.Load(filepath.Join(t.TempDir(), "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func FuzzParse(f *testing.F) {
	text, err := madeResults(3, 2, usual, grid()[:2]...).JSON()
	require.NoError(f, err)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := stats.Parse(text)
		if err != nil {
			return
		}
		again, err := r.JSON()
		require.NoError(t, err)
		_, err = stats.Parse(again)
		require.NoError(t, err)
		_, err = r.GoFormat()
		require.NoError(t, err)
		stats.Compare(r, r, stats.DefaultMargin)
		stats.Advise(r, stats.Question{DirtyRate: 1, Bandwidth: 1, Downtime: time.Second})
	})
}

// TestGosFormatIsReadByItsOwnReader: by the one that benchstat has.
func TestGosFormatIsReadByItsOwnReader(t *testing.T) {
	r := madeResults(3, 3, shape{0.6, 0.08, 0.05, 1}, grid()...)
	text, err := r.GoFormat()
	require.NoError(t, err)
	reader := benchfmt.NewReader(bytes.NewReader(text), stats.GoFile)
	lines, names, units := 0, map[string]int{}, map[string]string{}
	for reader.Scan() {
		switch rec := reader.Result().(type) {
		case *benchfmt.Result:
			lines++
			names[string(rec.Name)]++
			require.Equal(t, "10.0.0", rec.GetConfig("qemu"))
			total, ok := rec.Value(string(stats.Total))
			require.True(t, ok)
			require.InDelta(t, 0.6, total, 0.3)
			_, ok = rec.Value(string(stats.NotConverged))
			require.True(t, ok)
		case *benchfmt.UnitMetadata:
			units[rec.Unit] = rec.Value
		default:
			require.Fail(t, "a line that isn't read", "%v", rec)
		}
	}
	require.NoError(t, reader.Err())
	require.Equal(t, 48, lines)
	require.Len(t, names, 16)
	require.Equal(t, 3, names["Migrate/method=precopy/dirty=200MB/bandwidth=500MB/memory=256MiB/downtime=300ms"], names)
	require.Equal(t, "higher", units[string(stats.Throughput)])
	require.Equal(t, "lower", units[string(stats.Total)])
}

func TestATableIsInTheOrderOfWhatMethodsHaveToCopeWith(t *testing.T) {
	r := &stats.Results{}
	for _, c := range []stats.Cell{cellOf("xbzrle", stats.All), cellOf("precopy", 0), cellOf("xbzrle", 0), cellOf("precopy", stats.All)} {
		r.Add(c, stats.Sample{})
	}
	r.Sort()
	var order []string
	for _, c := range r.Cells {
		order = append(order, c.Method+" "+c.DirtyRate.String())
	}
	require.Equal(t, []string{"precopy 0", "xbzrle 0", "xbzrle all", "precopy all"}, order)
	require.Equal(t, []string{"precopy", "xbzrle"}, r.Methods())
	require.Equal(t, 4, r.Measured())
}

package bench

import (
	"fmt"
	"io"
	"strings"
)

// WriteBenchmarks writes the measurements in Go's benchmark format, one a line, so that
// benchstat compares two files.
func (r *Results) WriteBenchmarks(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "goos: linux\ngoarch: %s\npkg: drover\nqemu: %s\naccel: %s\n", key(r.Arch), key(r.QEMU), key(r.Accel))
	for _, m := range Metrics() {
		better := "lower"
		if m.Higher {
			better = "higher"
		}
		fmt.Fprintf(&b, "Unit %s better=%s\n", m.Unit, better)
	}
	b.WriteString("Unit unconverged better=lower\n")
	for _, m := range r.Measurements {
		p, unconverged := m.Point, 0
		if !m.Converged {
			unconverged = 1
		}
		fmt.Fprintf(&b, "BenchmarkMigrate/method=%s/dirty=%s/bandwidth=%sps/limit=%dms/ram=%d 1 %d unconverged", key(p.Method), strings.ReplaceAll(p.Dirty.String(), "/s", "ps"), short(p.Bandwidth), p.DowntimeMS, p.MemoryMiB, unconverged)
		for _, metric := range Metrics() {
			if value, ok := metric.Of(m); ok {
				fmt.Fprintf(&b, " %.6g %s", value, metric.Unit)
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// key is a text without what the format takes for itself.
func key(text string) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c == '/' || c > '~' {
			return '-'
		}
		return c
	}, text)
}

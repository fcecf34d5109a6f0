package schema_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// BenchmarkParse reads the newest schema, and says how many times as long as
// json.Valid on the same bytes that takes. Each round does both, so that what
// else the machine does falls on both alike.
func BenchmarkParse(b *testing.B) {
	raw := recorded(b, "11.1")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var ours, valid time.Duration
	for b.Loop() {
		begin := time.Now()
		if _, err := schema.Parse(raw); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(begin)
		b.StopTimer()
		begin = time.Now()
		if !json.Valid(raw) {
			b.Fatal("not JSON")
		}
		valid += time.Since(begin)
		b.StartTimer()
	}
	b.ReportMetric(float64(ours)/float64(valid), "×json.Valid")
}

// BenchmarkParseEncodingJSON is what Parse would cost with encoding/json, into
// the flattest of models, without resolving anything.
func BenchmarkParseEncodingJSON(b *testing.B) {
	raw := recorded(b, "11.1")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		var list []plainEntity
		if err := json.Unmarshal(raw, &list); err != nil {
			b.Fatal(err)
		}
	}
}

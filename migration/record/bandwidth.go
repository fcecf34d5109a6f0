package record

// Paced is what went over the link towards the destination in a stretch of time, and
// the max-bandwidth that there was.
type Paced struct {
	Seconds float64
	Bytes   int64
	Limit   float64 // bytes a second; 0 where none was set
}

// judgeBandwidth allows each stretch a share beyond its limit, and what QEMU may send
// at once.
func judgeBandwidth(r *Record) (Outcome, string) {
	most, limited := 0.0, 0
	for _, p := range r.Paced {
		if !(p.Seconds > 0) || p.Bytes < 0 || !(p.Limit >= 0) {
			return unsure("%d bytes went over the link in %g s, and max-bandwidth was %g bytes a second", p.Bytes, p.Seconds, p.Limit)
		}
		if p.Limit > 0 {
			limited++
		}
		if p.Limit > 0 && float64(p.Bytes) > p.Limit*(p.Seconds*(1+bandwidthShare.Value)+r.allow(bandwidthAtOnce))+r.allow(bandwidthBytes) {
			return r.late("%d bytes went over the link in %.2f s, %.0f MB a second, where max-bandwidth was %.0f MB a second",
				p.Bytes, p.Seconds, float64(p.Bytes)/p.Seconds/1e6, p.Limit/1e6)
		}
		most = max(most, float64(p.Bytes)/p.Seconds)
	}
	if limited == 0 {
		return unknown("what went over the link under a max-bandwidth")
	}
	return pass("at most %.0f MB a second went over the link", most/1e6)
}

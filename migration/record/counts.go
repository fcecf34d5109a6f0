package record

import (
	"encoding/json"
	"fmt"
	"math"
)

// ramPage is QEMU's unit of RAM on every target that there is a guest program for.
const ramPage = 4096

// counts are what the source reports of RAM when its migration is completed
// (query-migrate in QEMU's qapi/migration.json). Sums of bytes exist since 7.0.
type counts struct {
	RAM *struct {
		Total       uint64   `json:"total"`
		PageSize    uint64   `json:"page-size"`
		Remaining   uint64   `json:"remaining"`
		Transferred float64  `json:"transferred"`
		Duplicate   float64  `json:"duplicate"`
		Normal      float64  `json:"normal"`
		NormalBytes float64  `json:"normal-bytes"`
		Multifd     float64  `json:"multifd-bytes"`
		Precopy     *float64 `json:"precopy-bytes"`
		Downtime    float64  `json:"downtime-bytes"`
		Postcopy    float64  `json:"postcopy-bytes"`
		PerSecond   float64  `json:"pages-per-second"`
		DirtyRate   float64  `json:"dirty-pages-rate"`
		Mbps        float64  `json:"mbps"`
	} `json:"ram"`
	XBZRLE struct {
		Pages float64 `json:"pages"`
		Bytes float64 `json:"bytes"`
		Miss  float64 `json:"cache-miss"`
		Size  uint64  `json:"cache-size"`
	} `json:"xbzrle-cache"`
}

// judgeCounts holds what the source reports of RAM against itself: pages against bytes,
// parts against sums, bytes against time.
func judgeCounts(r *Record) (Outcome, string) {
	var c counts
	if err := json.Unmarshal(r.Migration.Source, &c); err != nil || c.RAM == nil {
		return unknown("what the source says of RAM")
	}
	for _, judge := range []func(*Record) string{c.wrongPages, c.wrongBytes, c.wrongSum, c.wrongRate, c.wrongCache} {
		if wrong := judge(r); wrong != "" {
			return Fail, wrong
		}
	}
	return pass("%.0f whole and %.0f zero pages, %.0f bytes at %.0f Mb a second", c.RAM.Normal, c.RAM.Duplicate, c.RAM.Transferred, c.RAM.Mbps)
}

// wrongPages is what is wrong with the numbers of pages, "" for nothing.
func (c counts) wrongPages(r *Record) string {
	ram := c.RAM
	// Firmware and tables are beside the guest's RAM, where there is any to be sent.
	least, most := uint64(r.MemoryMiB)<<20, uint64(r.MemoryMiB+64)<<20
	switch sent := (ram.Normal + ram.Duplicate + c.XBZRLE.Pages) * ramPage; {
	case ram.PageSize != ramPage:
		return fmt.Sprintf("the source reports a page-size of %d, expected %d", ram.PageSize, ramPage)
	case !r.SharedRAM && (ram.Total < least || ram.Total > most):
		return fmt.Sprintf("the source reports a total of %d bytes of RAM, and the guest has %d", ram.Total, least)
	case ram.Remaining != 0 || ram.DirtyRate != 0:
		return fmt.Sprintf("the source reports %d bytes remaining and %.0f dirty pages a second of a migration that is completed", ram.Remaining, ram.DirtyRate)
	case ram.NormalBytes != ram.Normal*ramPage:
		return fmt.Sprintf("the source reports %.0f whole pages, and normal-bytes %.0f, expected %.0f", ram.Normal, ram.NormalBytes, ram.Normal*ramPage)
	case sent < float64(ram.Total)*0.85: // of a last pass before postcopy a part may be left
		return fmt.Sprintf("the source reports %.0f whole and %.0f zero pages and %.0f differences, which is less than the %d bytes of its RAM", ram.Normal, ram.Duplicate, c.XBZRLE.Pages, ram.Total)
	}
	return ""
}

// What goes with a page: the head of its own or its part of a packet's, and what is
// written of a page of zeros.
const (
	pageHead  = 0.02
	zeroTakes = 16
)

// devicesTake is more than devices take, and what TLS adds to a record. A pseries machine
// sends its hash table of pages in as many passes as its RAM.
func (r *Record) devicesTake() float64 {
	if r.Arch == "ppc64" {
		return 16 << 20
	}
	return 2 << 20
}

// wrongBytes is where pages and bytes don't fit together.
func (c counts) wrongBytes(r *Record) string {
	if r.compressed() {
		return ""
	}
	pages := c.RAM.NormalBytes
	most := pages*(1+pageHead) + c.XBZRLE.Bytes + (c.RAM.Duplicate+c.XBZRLE.Pages)*zeroTakes + r.devicesTake()
	if c.RAM.Transferred < pages || c.RAM.Transferred > most {
		return fmt.Sprintf("the source reports %.0f bytes transferred, expected %.0f to %.0f for the %.0f whole and %.0f zero pages that it reports",
			c.RAM.Transferred, pages, most, c.RAM.Normal, c.RAM.Duplicate)
	}
	return ""
}

// wrongSum is where the parts of what was transferred are not the whole.
func (c counts) wrongSum(r *Record) string {
	_, channels := r.Parameters["multifd-channels"]
	if !channels && c.RAM.Multifd != 0 {
		return fmt.Sprintf("the source reports %.0f bytes over channels, and there are none", c.RAM.Multifd)
	}
	if c.RAM.Precopy == nil {
		return ""
	}
	parts := *c.RAM.Precopy + c.RAM.Downtime + c.RAM.Postcopy + c.RAM.Multifd
	if math.Abs(parts-c.RAM.Transferred) > r.devicesTake()+0.01*c.RAM.Transferred {
		return fmt.Sprintf("the source reports %.0f bytes transferred, and parts of it that come to %.0f: precopy-bytes %.0f, downtime-bytes %.0f, postcopy-bytes %.0f, multifd-bytes %.0f",
			c.RAM.Transferred, parts, *c.RAM.Precopy, c.RAM.Downtime, c.RAM.Postcopy, c.RAM.Multifd)
	}
	if sent := c.RAM.Postcopy > 0; sent != r.isPostcopy() {
		return fmt.Sprintf("the source reports postcopy-bytes %.0f, and its postcopy-active came: %v", c.RAM.Postcopy, r.isPostcopy())
	}
	return ""
}

// longEnough is how long a migration takes, in ms, of which rates can be told.
const longEnough = 300

// wrongRate is where bytes and time don't fit together. A recovery begins them anew.
func (c counts) wrongRate(r *Record) string {
	took := float64(r.Migration.TotalMS - r.Migration.SetupMS)
	if took < longEnough || r.Recoveries > 0 {
		return ""
	}
	// Beside RAM it counts devices, which is much where all RAM is shared.
	mbps, all := c.RAM.Transferred*8/1000/took, (c.RAM.Transferred+r.devicesTake())*8/1000/took
	if c.RAM.Mbps < mbps*0.8 || c.RAM.Mbps > all*1.25 {
		return fmt.Sprintf("the source reports %.1f Mb a second, and %.0f bytes in %.0f ms, which is %.1f", c.RAM.Mbps, c.RAM.Transferred, took, mbps)
	}
	if c.RAM.PerSecond == 0 && c.RAM.Total > 0 {
		return fmt.Sprintf("the source reports 0 pages a second of a migration that took %.0f ms", took)
	}
	return ""
}

// wrongCache is what is wrong with xbzrle's cache: it has the size that was set, which is
// as much as RAM, and misses each page once.
func (c counts) wrongCache(r *Record) string {
	set, asked := r.Parameters["xbzrle-cache-size"]
	if !asked || c.XBZRLE.Pages == 0 {
		return ""
	}
	pages := float64(c.RAM.Total) / ramPage
	switch {
	case fmt.Sprint(c.XBZRLE.Size) != string(set):
		return fmt.Sprintf("the source reports an xbzrle cache of %d bytes, expected %s", c.XBZRLE.Size, set)
	case c.XBZRLE.Miss == 0 || c.XBZRLE.Miss > 2*pages:
		return fmt.Sprintf("the source reports that %.0f pages were not in its xbzrle cache, expected about as many as changed of %.0f, once each", c.XBZRLE.Miss, pages)
	}
	return ""
}

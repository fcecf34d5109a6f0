package record

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ramPage is QEMU's unit of RAM on every target that there is a guest program for.
const ramPage = 4096

// counts are what the source reports of RAM when its migration is completed
// (query-migrate in QEMU's qapi/migration.json).
type counts struct {
	total, pageSize, remaining, dirtyRate      float64
	transferred, duplicate, normal, normalSize float64
	multifd, perSecond, mbps                   float64
	parts                                      bool // the next three are there: since 7.0
	precopy, downtime, postcopy                float64
	xbzrle                                     bool // the next four are there
	encoded, encodedSize, missed, cache        float64
}

// countsOf reads them. All that such a QEMU has must be there.
func (r *Record) countsOf() (c counts, err error) {
	source, err := object(r.Migration.Source)
	if err != nil {
		return c, err
	}
	ram, err := source.object("ram")
	if err != nil {
		return c, err
	}
	read := numbers{members: ram}
	c.total, c.pageSize = read.read("total"), read.read("page-size")
	c.remaining, c.dirtyRate = read.read("remaining"), read.read("dirty-pages-rate")
	c.transferred, c.duplicate = read.read("transferred"), read.read("duplicate")
	c.normal, c.normalSize = read.read("normal"), read.read("normal-bytes")
	c.multifd, c.perSecond, c.mbps = read.read("multifd-bytes"), read.read("pages-per-second"), read.read("mbps")
	_, precopy := ram["precopy-bytes"]
	_, downtime := ram["downtime-bytes"]
	_, postcopy := ram["postcopy-bytes"]
	if c.parts = precopy || downtime || postcopy || !r.Source.olderThan(sumsSince); c.parts {
		c.precopy, c.downtime, c.postcopy = read.read("precopy-bytes"), read.read("downtime-bytes"), read.read("postcopy-bytes")
	}
	if _, c.xbzrle = source["xbzrle-cache"]; !c.xbzrle {
		if _, set := r.Parameters["xbzrle-cache-size"]; set {
			return c, fmt.Errorf("it has no xbzrle-cache, whose size was set")
		}
		return c, read.err
	}
	inner, err := source.object("xbzrle-cache")
	if err != nil {
		return c, err
	}
	cache := numbers{members: inner, err: read.err}
	c.encoded, c.encodedSize = cache.read("pages"), cache.read("bytes")
	c.missed, c.cache = cache.read("cache-miss"), cache.read("cache-size")
	return c, cache.err
}

// sumsSince is the first major version whose query-migrate has precopy-bytes,
// downtime-bytes and postcopy-bytes.
const sumsSince = 7

// olderThan says whether the side's version is known to be older.
func (s *SideFacts) olderThan(major int) bool {
	first, _, _ := strings.Cut(s.Version, ".")
	version, err := strconv.Atoi(first)
	return err == nil && version > 0 && version < major
}

// judgeCounts holds what the source reports of RAM against itself: pages against bytes,
// parts against sums, bytes against time.
func judgeCounts(r *Record) (Outcome, string) {
	if r.Migration == nil || r.Source == nil {
		return unknown("what the source reports of RAM")
	}
	c, err := r.countsOf()
	if err != nil {
		return unsure("the source's query-migrate can't be read: %v", err)
	}
	compressed, unread := r.compressed()
	switch {
	case unread != "":
		return Unknown, unread
	case r.ram() == 0:
		return unknown("how much RAM the guest has")
	}
	judges := []func(*Record) string{c.wrongPages, c.wrongBytes, c.wrongSum, c.wrongRate, c.wrongDirtyRate, c.wrongCache}
	if compressed {
		judges = slices.Delete(judges, 1, 2)
	}
	for _, judge := range judges {
		if wrong := judge(r); wrong != "" {
			return Fail, wrong
		}
	}
	return pass("%.0f normal and %.0f zero pages, %.0f bytes at %.0f Mb a second", c.normal, c.duplicate, c.transferred, c.mbps)
}

// wrongPages is what is wrong with the numbers of pages, "" for nothing.
func (c counts) wrongPages(r *Record) string {
	least := float64(r.ram())
	most := max(least+r.besideRAM(), float64(r.BlocksBytes))
	goes := min(c.total, least) // what a virtio-mem has not plugged is in the total, and is not sent
	switch sent := (c.normal + c.duplicate + c.encoded) * ramPage; {
	case c.pageSize != ramPage:
		return fmt.Sprintf("the source reports a page-size of %.0f, expected %d", c.pageSize, ramPage)
	case !r.sharesRAM() && c.total < least || c.total > most:
		return fmt.Sprintf("the source reports a total of %.0f bytes of RAM, and the guest has %.0f", c.total, least)
	case c.remaining != 0 || c.dirtyRate != 0:
		return fmt.Sprintf("the source reports %.0f bytes remaining and %.0f dirty pages a second of a migration that is completed", c.remaining, c.dirtyRate)
	case c.normalSize != c.normal*ramPage:
		return fmt.Sprintf("the source reports %.0f normal pages, and normal-bytes %.0f, expected %.0f", c.normal, c.normalSize, c.normal*ramPage)
	case sent > c.total*float64(r.Migration.Passes+1):
		return fmt.Sprintf("the source reports %.0f normal, %.0f zero and %.0f xbzrle-encoded pages, which is more than its RAM in each of %d passes", c.normal, c.duplicate, c.encoded, r.Migration.Passes+1)
	case c.encodedSize > c.encoded*ramPage:
		return fmt.Sprintf("the source reports %.0f xbzrle-encoded pages of %.0f bytes, which are more than the pages", c.encoded, c.encodedSize)
	case sent < goes*sentAtLeast.Value:
		return fmt.Sprintf("the source reports %.0f normal, %.0f zero and %.0f xbzrle-encoded pages, which is less than the %.0f bytes of its RAM", c.normal, c.duplicate, c.encoded, goes)
	}
	return ""
}

// besideRAM is more than what is migrated as RAM is, and is none of the guest's.
func (r *Record) besideRAM() float64 {
	if r.Arch == "aarch64" || r.Arch == "riscv64" {
		return besideRAMVirt.Value
	}
	return besideRAM.Value
}

// beside is more than all takes that is no RAM.
func (r *Record) beside() float64 {
	pictures := 0.0
	if r.Linux != nil && slices.Contains(r.Linux.Devices, "virtio-gpu") {
		pictures = devicesBytesGPU.Value
	}
	if r.Arch == "ppc64" {
		return devicesBytesPPC64.Value + pictures
	}
	return devicesBytes.Value + pictures
}

// wrongBytes is where pages and bytes don't fit together.
func (c counts) wrongBytes(r *Record) string {
	most := c.normalSize*(1+pageHead.Value) + c.encodedSize + (c.duplicate+c.encoded)*zeroPage.Value + r.beside()
	if c.transferred < c.normalSize || c.transferred > most {
		return fmt.Sprintf("the source reports %.0f bytes transferred, expected %.0f to %.0f for the %.0f normal and %.0f zero pages that it reports",
			c.transferred, c.normalSize, most, c.normal, c.duplicate)
	}
	return ""
}

// wrongSum is where the parts of what was transferred are not the whole.
func (c counts) wrongSum(r *Record) string {
	_, channels := r.Parameters["multifd-channels"]
	if !channels && c.multifd != 0 {
		return fmt.Sprintf("the source reports %.0f bytes over channels, and there are none", c.multifd)
	}
	if c.multifd > c.transferred {
		return fmt.Sprintf("the source reports %.0f bytes over channels, and %.0f bytes transferred", c.multifd, c.transferred)
	}
	if !c.parts {
		return ""
	}
	parts := c.precopy + c.downtime + c.postcopy + c.multifd
	if math.Abs(parts-c.transferred) > r.beside()+sumShare.Value*c.transferred {
		return fmt.Sprintf("the source reports %.0f bytes transferred, and parts of it that come to %.0f: precopy-bytes %.0f, downtime-bytes %.0f, postcopy-bytes %.0f, multifd-bytes %.0f",
			c.transferred, parts, c.precopy, c.downtime, c.postcopy, c.multifd)
	}
	if sent := c.postcopy > 0; sent != r.isPostcopy() {
		return fmt.Sprintf("the source reports postcopy-bytes %.0f, and its postcopy-active came: %v", c.postcopy, r.isPostcopy())
	}
	return ""
}

// wrongRate is where bytes and time don't fit together. A recovery begins them anew.
func (c counts) wrongRate(r *Record) string {
	took := float64(r.Migration.TotalMS - r.Migration.SetupMS)
	if took < ratedFrom.Value || !r.wentStraight() {
		return ""
	}
	// Beside RAM it counts devices, which is much where all RAM is shared.
	mbps, all := c.transferred*8/1000/took, (c.transferred+r.beside())*8/1000/took
	if c.mbps < mbps*rateShareBelow.Value || c.mbps > all*rateShareAbove.Value {
		return fmt.Sprintf("the source reports %.1f Mb a second, and %.0f bytes in %.0f ms, which is %.1f", c.mbps, c.transferred, took, mbps)
	}
	// QEMU measures while the guest runs, at the end of every 100 ms: where a busy host made
	// the downtime long, a migration can be through without a measurement, and of little RAM
	// nothing may be left to send in the last of them, nor may a busy host have come to it.
	if ran := took - float64(r.Migration.DowntimeMS); c.perSecond == 0 && r.busy() == "" && c.total >= ratedRAM.Value && ran >= ratedFrom.Value {
		return fmt.Sprintf("the source reports 0 pages a second of a migration that ran for %.0f ms before its downtime", ran)
	}
	return ""
}

// wrongDirtyRate is where the source reported meanwhile that the guest dirties more than it can
// be found to. QEMU measures that when a dirty bitmap sync comes a second or more after the one
// with which it measured last, from what the syncs since then have found; in each a page is found
// once. From 11.1 on it does not count those within a pass, which come every five seconds.
func (c counts) wrongDirtyRate(r *Record) string {
	before := int64(0) // syncs before the one with which it measured last
	for i, s := range r.Samples {
		if i > 0 && s.Passes < r.Samples[i-1].Passes { // of the next migration
			before = 0
		}
		if s.DirtyRate == 0 || i > 0 && s.DirtyRate == r.Samples[i-1].DirtyRate {
			continue
		}
		syncs := max(1, s.Passes-before)
		if most := c.total / ramPage * float64(syncs); float64(s.DirtyRate) > most {
			return fmt.Sprintf("the source reports a dirty-pages-rate of %d a second, and at most %d dirty bitmap syncs can have found %.0f pages", s.DirtyRate, syncs, most)
		}
		if i > 0 {
			before = r.Samples[i-1].Passes
		}
	}
	return ""
}

// wrongCache is what is wrong with xbzrle's cache: it has the size that was set, which is
// as much as RAM, and misses each page once.
func (c counts) wrongCache(r *Record) string {
	set, asked := r.Parameters["xbzrle-cache-size"]
	if !asked || c.encoded == 0 {
		return ""
	}
	pages := c.total / ramPage
	switch {
	case fmt.Sprintf("%.0f", c.cache) != string(set):
		return fmt.Sprintf("the source reports an xbzrle cache of %.0f bytes, expected %s", c.cache, set)
	case c.missed == 0 || c.cache >= c.total && c.missed > cacheMisses.Value*pages:
		return fmt.Sprintf("the source reports that %.0f pages were not in its xbzrle cache, expected about as many as changed of %.0f, once each", c.missed, pages)
	}
	return ""
}

package stats

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// units are those of sizes, in bytes, the largest of each kind first.
var units = []struct {
	name  string
	bytes int64
}{{"GB", 1e9}, {"GiB", 1 << 30}, {"MB", 1e6}, {"MiB", 1 << 20}, {"kB", 1e3}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

var sizeForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([kMG]?B|[KMG]iB)?(/s)?$`)

// mostBytes bounds sizes, and rates a second.
const mostBytes = 1 << 50

// ParseSize understands 4096, 256MiB, 1.5GB and, of a rate, 200MB/s, and returns bytes, at
// most a million GiB.
func ParseSize(text string) (int64, error) {
	parts := sizeForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is no size: it is a number and a unit, such as 256MiB or 200MB/s", text)
	}
	x, err := strconv.ParseFloat(parts[1], 64)
	for _, u := range units {
		if u.name == parts[2] {
			x *= float64(u.bytes)
			break
		}
	}
	if err != nil || x > mostBytes {
		return 0, fmt.Errorf("%q is too large: at most %d GiB", text, mostBytes>>30)
	}
	if x != math.Trunc(x) {
		return 0, fmt.Errorf("%q is no whole number of bytes", text)
	}
	return int64(x), nil
}

// sizeText is a size as ParseSize reads it, exactly; of several ways to say it the shortest.
func sizeText(bytes int64, kinds string) string {
	for _, u := range units {
		if strings.HasSuffix(u.name, kinds) && u.bytes > 1 && bytes > 0 && bytes%u.bytes == 0 {
			return fmt.Sprintf("%d%s", bytes/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%dB", bytes)
}

// A Rate is how many bytes of its RAM a guest makes dirty a second: 0 is nothing, and All
// as many as it can.
type Rate int64

// All is the rate of a guest that writes as fast as it can.
const All Rate = math.MaxInt64

// ParseRate understands 0, 200MB/s and all.
func ParseRate(text string) (Rate, error) {
	if text == "all" {
		return All, nil
	}
	bytes, err := ParseSize(text)
	if err != nil {
		return 0, fmt.Errorf("%w; or 0 for nothing, or all for as fast as the guest can", err)
	}
	return Rate(bytes), nil
}

func (r Rate) String() string {
	switch r {
	case All:
		return "all"
	case 0:
		return "0"
	}
	return BandwidthText(int64(r))
}

// MarshalText is String, for JSON.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRate, for JSON.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// BandwidthText is a bandwidth in bytes a second, as ParseSize reads it.
func BandwidthText(bytes int64) string { return sizeText(bytes, "B") + "/s" }

// MemoryText is a size of RAM in MiB, as ParseSize reads it.
func MemoryText(mib int) string { return sizeText(int64(mib)<<20, "iB") }

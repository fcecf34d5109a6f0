package fleet

import (
	"fmt"
	"time"
)

// Progress is how far the fetching of one release has come.
type Progress struct {
	Release  string
	Step     string        // "wait", "lists", "download", "unpack", "check" or "done"
	Package  string        // what is fetched, for instance "qemu-system-x86"; "" for the lists
	Packages int           // how many packages that takes, itself included
	Bytes    int64         // how much is to be downloaded for it
	Percent  float64       // of this step, 0 to 100
	Since    time.Duration // since the fetching of the release began
}

// String returns one line for a person.
func (p Progress) String() string {
	switch p.Step {
	case "wait":
		return p.Release + ": waiting for another drover that is fetching it"
	case "lists":
		return p.Release + ": reading the mirror's package lists"
	case "download":
		return fmt.Sprintf("%s: downloading %s and what it needs, %d packages, %.1f MB, %.0f%%",
			p.Release, p.Package, p.Packages, float64(p.Bytes)/1e6, p.Percent)
	case "unpack":
		return fmt.Sprintf("%s: unpacking %s, %.0f%%", p.Release, p.Package, p.Percent)
	case "check":
		return fmt.Sprintf("%s: trying %s", p.Release, p.Package)
	case "done":
		return fmt.Sprintf("%s: done in %.1f s", p.Release, p.Since.Seconds())
	}
	return p.Release + ": " + p.Step
}

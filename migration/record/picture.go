package record

import (
	"fmt"
	"strings"
)

// PictureFacts are what a QEMU showed of a Linux guest's virtio-gpu when it was asked.
type PictureFacts struct {
	Side          string
	Running       bool   `json:",omitempty"` // the guest ran there
	Frame         uint32 // its number, by the first pixel
	Width, Height int    // in pixels
	Wrong         int    `json:",omitempty"` // pixels that are not that frame's
	First         string `json:",omitempty"` // where the first of them is, and what it should be
}

// judgeGPU wants each picture to be a frame that the guest drew; the same one wherever the guest is
// paused, for it is paused once, and a later one where it runs.
func judgeGPU(r *Record, w *WorkerFacts) (Outcome, string) {
	var shown []string
	for i, p := range r.Linux.Pictures {
		switch {
		case p.Width < 1 || p.Height < 1 || p.Wrong < 0:
			return unsure("a picture of %d to %d pixels, of which %d are wrong", p.Width, p.Height, p.Wrong)
		case p.Wrong > 0:
			return fail("virtio-gpu shows no frame of the guest's on the %s: of what would be frame %d, %d of %d pixels are wrong; the first: %s",
				p.Side, p.Frame, p.Wrong, p.Width*p.Height, p.First)
		case p.Frame == 0 || p.Frame > uint32(w.After["frames"]):
			return fail("virtio-gpu shows frame %d on the %s, expected one of the %d that the guest drew", p.Frame, p.Side, w.After["frames"])
		}
		shown = append(shown, fmt.Sprintf("frame %d on the %s", p.Frame, p.Side))
		if i == 0 {
			continue
		}
		switch before := r.Linux.Pictures[i-1]; {
		case !p.Running && !before.Running && p.Frame != before.Frame:
			return fail("virtio-gpu shows frame %d on the %s, expected frame %d, as on the %s: the guest was paused on both", p.Frame, p.Side, before.Frame, before.Side)
		case p.Running && p.Frame <= before.Frame:
			return r.late("virtio-gpu shows frame %d on the %s, where the guest runs, expected a later one than %d", p.Frame, p.Side, before.Frame)
		}
	}
	text := ""
	if len(shown) > 0 {
		text = "; QEMU showed " + strings.Join(shown, ", ")
	}
	return pass("virtio-gpu took %d frames, the slowest in %.1f ms%s", w.After["frames"], float64(w.After["longest-us"])/1000, text)
}

package launcher

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/drover-vm/drover/internal/plain"
)

// A cast writes a console with its times in the format of asciinema, version
// 2: a header, then [seconds, "o", text] a line. asciinema and its kin play it.
// What is no UTF-8 is replaced: the very bytes are in the other file.
type cast struct {
	to    *bounded
	began time.Time
	part  []byte // the beginning of a character whose end has not come
}

// newCast writes a header, and keeps up to so many bytes of what follows; where it is
// cut off, the player says so.
func newCast(to io.Writer, title string, now time.Time, most int64) *cast {
	c := &cast{began: now}
	c.to = &bounded{to: to, left: most, lines: true, cut: func() string {
		return c.event("\r\n[" + cutOff(most) + "]\r\n")
	}}
	head, _ := json.Marshal(map[string]any{"version": 2, "width": 80, "height": 25, "timestamp": now.Unix(), "title": title})
	_, _ = fmt.Fprintf(to, "%s\n", head)
	return c
}

// event is the line for what is written now.
func (c *cast) event(text string) string {
	quoted, _ := json.Marshal(text) // of a string, always
	return fmt.Sprintf("[%.6f, \"o\", %s]\n", time.Since(c.began).Seconds(), quoted)
}

func (c *cast) Write(p []byte) (int, error) {
	text := append(c.part, p...)
	whole := len(text) - plain.Unfinished(text)
	c.part = append([]byte(nil), text[whole:]...)
	if whole == 0 {
		return len(p), nil
	}
	_, _ = io.WriteString(c.to, c.event(string(text[:whole])))
	return len(p), nil
}

package launcher

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// A cast writes a console with its times in the format of asciinema, version
// 2: a header, then [seconds, "o", text] a line. asciinema and its kin play it.
// What is no UTF-8 is replaced: the very bytes are in the other file.
type cast struct {
	to    io.Writer
	began time.Time
	part  []byte // the beginning of a character whose end has not come
}

func newCast(to io.Writer, title string, now time.Time) *cast {
	head, _ := json.Marshal(map[string]any{"version": 2, "width": 80, "height": 25, "timestamp": now.Unix(), "title": title})
	fmt.Fprintf(to, "%s\n", head)
	return &cast{to: to, began: now}
}

func (c *cast) Write(p []byte) (int, error) {
	text := append(c.part, p...)
	whole := len(text) - unfinished(text)
	c.part = append([]byte(nil), text[whole:]...)
	if whole == 0 {
		return len(p), nil
	}
	said, err := json.Marshal(string(text[:whole]))
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(c.to, "[%.6f, \"o\", %s]\n", time.Since(c.began).Seconds(), said)
	return len(p), err
}

// unfinished returns how many bytes at the end of text are the beginning of a
// character.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

package migration

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/drover-vm/drover/migration/record"
)

// units are those of sizes, in bytes.
var units = map[string]float64{
	"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

var sizeForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(B|kB|MB|GB|KiB|MiB|GiB)?(/s)?$`)

// parseQuantity understands 1.5, 4096, 256MiB, 1GB, 1GB/s.
func parseQuantity(text string) (x float64, ok bool) {
	parts := sizeForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	x, err := strconv.ParseFloat(parts[1], 64)
	x *= units[parts[2]]
	return x, err == nil && x < 1<<62
}

// parseSize is the same for what is a whole number of bytes.
func parseSize(text string) (bytes int64, ok bool) {
	x, ok := parseQuantity(text)
	return int64(x), ok && x == math.Trunc(x)
}

// Bounds takes what a quantity must be: >= 1000, <= 15MB, = 0, or 1kB..15MB.
func (a *Args) Bounds() record.Bounds {
	text := a.Word("what it must be, such as >= 1000")
	switch text {
	case ">=":
		return record.AtLeast(a.quantity())
	case "<=":
		return record.AtMost(a.quantity())
	case "=":
		return record.Exactly(a.quantity())
	}
	if least, most, ok := strings.Cut(text, ".."); ok {
		x, good := parseQuantity(least)
		y, fine := parseQuantity(most)
		if good && fine && x <= y {
			return record.Between(x, y)
		}
	}
	a.Fail("%q is no bound: it is >= X, <= X, = X, or X..Y", text)
	return record.Bounds{}
}

func (a *Args) quantity() float64 {
	text := a.Word("what it is held against")
	x, ok := parseQuantity(text)
	if a.wrong == nil && !ok {
		a.Fail("%q is no quantity, such as 1000, 1.5 or 15MB", text)
	}
	return x
}

// Value takes a parameter's value as QEMU takes it: 300ms and 5s become milliseconds, 256MiB
// and 1GB/s bytes, on and off truths, whole numbers stay; all else, and what is in
// quotes, is a string.
func (a *Args) Value() json.RawMessage {
	w := a.next("the value")
	value := any(w.text)
	if !w.quoted {
		if d, err := time.ParseDuration(w.text); err == nil && w.text != "0" {
			value = d.Milliseconds()
		} else if n, ok := parseSize(w.text); ok {
			value = n
		} else if w.text != "" && w.text[0] >= '0' && w.text[0] <= '9' {
			a.Fail("%q is neither a number, a size (256MiB, 1GB/s) nor a time (300ms); a string that begins with a digit stands in quotes", w.text)
		} else if truth, ok := map[string]bool{"true": true, "on": true, "false": false, "off": false}[w.text]; ok {
			value = truth
		}
	}
	text, err := json.Marshal(value)
	if err != nil {
		a.Fail("%v", err)
	}
	return text
}

// JSON takes a JSON value; nil where no word is left.
func (a *Args) JSON() json.RawMessage {
	if !a.More() {
		return nil
	}
	text := a.Word("the JSON value")
	if !json.Valid([]byte(text)) {
		a.Fail("%s is not valid JSON", text)
	}
	return json.RawMessage(text)
}

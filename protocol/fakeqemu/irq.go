package fakeqemu

import (
	"math"
	"strconv"
	"strings"
)

func (q *QEMU) serveIRQ(r *reader) string {
	path := r.word()
	lines, known := q.config.Devices[path]
	if r.err != nil {
		return ""
	}
	if strings.HasPrefix("/machine", path) {
		r.err = crash("%s %s: not an instance of type device", r.command, path)
		return ""
	}
	if r.command == "set_irq_in" {
		list, line, level := r.word(), r.signed(math.MaxInt32), r.signed(math.MaxInt32)
		switch {
		case r.err != nil:
			return ""
		case !known:
			return "FAIL Unknown device"
		case list != "unnamed-gpio-in" || line < 0 || line >= int64(lines):
			r.err = crash("set_irq_in %s %s %d: n >= 0 && n < gpio_list->num_in", path, list, line)
			return ""
		}
		if q.intercept == path {
			q.setLine(int(line), level != 0)
		}
		return "OK"
	}
	switch {
	case !known:
		return "FAIL Unknown device"
	case len(r.words) > 0 && r.command == "irq_intercept_in":
		return "FAIL Interception of named in-GPIOs not yet supported"
	case q.intercept != "" && q.intercept != path:
		return "FAIL IRQ intercept already enabled"
	case q.intercept == "" && (lines == 0 || r.command == "irq_intercept_out"):
		return "FAIL No intercepts installed"
	}
	q.intercept = path
	return "OK"
}

func (q *QEMU) serveClock(r *reader) string {
	to := int64(0)
	switch {
	case r.command == "clock_set":
		to = r.signed(math.MaxInt64)
	case len(r.words) == 0:
		return "FAIL cannot advance clock to the next deadline because there is no pending deadline"
	default:
		to = q.clock + r.signed(math.MaxInt64)
	}
	if r.err != nil {
		return ""
	}
	before := q.clock
	q.clock = max(before, to)
	switch {
	case r.command == "clock_step" && q.clock == before:
		return "FAIL could not advance time"
	case r.command == "clock_set" && q.clock != to:
		return "FAIL " + strconv.FormatInt(q.clock, 10)
	}
	return "OK " + strconv.FormatInt(q.clock, 10)
}

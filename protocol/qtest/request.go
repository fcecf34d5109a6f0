package qtest

import (
	"strconv"
)

// A request is a command with up to five words behind it. Its values have
// been checked: whatever a request holds, the server can parse.
type request struct {
	command string
	args    [5]arg
	n       int
}

// An arg is a word or a number.
type arg struct {
	word   string
	number uint64
	signed bool // number is an int64
}

func words(command string, list ...string) request {
	q := request{command: command, n: len(list)}
	for i, w := range list {
		q.args[i].word = w
	}
	return q
}

func numbers(command string, list ...uint64) request {
	q := request{command: command, n: len(list)}
	for i, v := range list {
		q.args[i].number = v
	}
	return q
}

// append writes the request as a line.
func (q *request) append(b []byte) []byte {
	b = append(b, q.command...)
	for _, a := range q.args[:q.n] {
		switch {
		case a.word != "":
			b = append(append(b, ' '), a.word...)
		case a.signed:
			b = strconv.AppendInt(append(b, ' '), int64(a.number), 10)
		default:
			b = appendHex(b, a.number)
		}
	}
	return append(b, '\n')
}

// appendHex appends a space and the number with 0x before it.
func appendHex(b []byte, v uint64) []byte {
	return strconv.AppendUint(append(b, " 0x"...), v, 16)
}

// checkRange refuses a range of guest-physical addresses that runs over the
// end of the space.
func checkRange(command string, addr, size uint64) error {
	if size > 0 && addr+(size-1) < addr {
		return &ArgumentError{
			command, "address", hexNumber(addr),
			"with a size of " + strconv.FormatUint(size, 10) + " bytes it runs over the end of the 64-bit address space",
		}
	}
	return nil
}

func hexNumber(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }

// checkWord refuses what would not reach the server as one word.
func checkWord(command, argument, word string) error {
	const most = 1024
	problem := ""
	switch {
	case word == "":
		problem = "is empty, and the server would take the next argument for it"
	case len(word) > most:
		problem = "is longer than " + strconv.Itoa(most) + " bytes"
		word = word[:32] + "…"
	}
	for i := 0; i < len(word) && problem == ""; i++ {
		if word[i] <= ' ' || word[i] > '~' {
			problem = "has a byte that is no printable ASCII or is a space: the server splits lines into words there"
		}
	}
	if problem == "" {
		return nil
	}
	return &ArgumentError{command, argument, strconv.Quote(word), problem}
}

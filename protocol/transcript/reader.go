package transcript

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// SyntaxError says which line of a transcript can't be read.
type SyntaxError struct {
	Line    int
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("transcript: line %d: %s", e.Line, e.Problem)
}

// maxOffset keeps the sum of a time and an offset inside what a time.Time can hold.
const maxOffset = 1e9 // seconds

// Read reads a whole transcript into memory. Times count from the zero
// [time.Time], in microseconds. What it returns is written back, by a Writer
// without a limit, as the same messages at the same distances in time.
//
// The error is a *SyntaxError, or the reader's own; the messages before it are
// returned with it.
func Read(r io.Reader) ([]Message, error) {
	var messages []Message
	lines := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if err != nil && err != io.EOF {
			return messages, fmt.Errorf("transcript: %w", err)
		}
		text := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if text != "" && text[0] != '#' {
			m, problem := parse(text)
			if problem != "" {
				return messages, &SyntaxError{Line: number, Problem: problem}
			}
			messages = append(messages, m)
		}
		if err == io.EOF {
			return messages, nil
		}
	}
}

// parse reads one line; problem says what is wrong with it.
func parse(line string) (m Message, problem string) {
	offset, rest, _ := strings.Cut(line, " ")
	seconds, err := strconv.ParseFloat(offset, 64)
	if err != nil || strings.Trim(offset, "0123456789.") != "" || seconds >= maxOffset {
		return m, fmt.Sprintf("%q is no time in seconds", offset)
	}
	m.Time = time.Time{}.Add(time.Duration(seconds * float64(time.Second)).Round(time.Microsecond))
	marks, data, _ := strings.Cut(rest, " ")
	if marks == "" || marks[0] != byte(Sent) && marks[0] != byte(Received) {
		return m, "behind the time and a space a message has its direction, < or >"
	}
	m.Direction = Direction(marks[0])
	marks, quoted := strings.CutPrefix(marks[1:], "q")
	if length, cut := strings.CutPrefix(marks, "+"); cut {
		if m.Cut, err = strconv.Atoi(length); err != nil || m.Cut <= 0 || length[0] == '+' {
			return m, fmt.Sprintf("%q is no length", length)
		}
	} else if marks != "" {
		return m, fmt.Sprintf("%q means nothing behind a direction", marks)
	}
	if !quoted {
		m.Data = []byte(data)
		return m, ""
	}
	text, err := strconv.Unquote(data)
	if err != nil || data[0] != '"' {
		return m, "a message with a q behind its direction is a Go string in double quotes"
	}
	m.Data = []byte(text)
	return m, ""
}

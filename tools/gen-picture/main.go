// Command gen-picture draws the text of a terminal as an SVG:
//
//	gen-picture TEXT-FILE SVG-FILE
//
// Each line of the file is a line of the terminal. One that begins with "$ " is a command
// that somebody typed; of the others the first word is coloured where it is an outcome
// (pass, skip, fail). "make pictures" records the text and draws it.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "gen-picture: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%d arguments, but it takes two: the file with the text, and the SVG to write", len(args))
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	picture, err := draw(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return os.WriteFile(args[1], picture, 0o644)
}

// Sizes, in pixels. A character of a monospaced font is about 0.6 of its size wide;
// textLength makes it exactly that, whichever font there is.
const (
	fontSize   = 14
	charWidth  = 8.4
	lineHeight = 20
	margin     = 16
	titleBar   = 28
)

// most is how large a terminal may be.
const (
	mostLines   = 200
	mostColumns = 200
)

// draw returns the text as an SVG.
func draw(text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("it is not UTF-8")
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	columns := 0
	for i, line := range lines {
		if at := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }); at >= 0 {
			return nil, fmt.Errorf("line %d has a control character: record it with the output going to a file", i+1)
		}
		columns = max(columns, utf8.RuneCountInString(line))
	}
	if len(lines) > mostLines || columns > mostColumns {
		return nil, fmt.Errorf("%d lines of up to %d characters are no picture: at most %d of %d", len(lines), columns, mostLines, mostColumns)
	}
	width := int(float64(columns)*charWidth) + 2*margin
	height := len(lines)*lineHeight + titleBar + margin
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n", strings.ReplaceAll(escape(lines[0]), "\u00a0", " "))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#161b22"/>`+"\n", width, height)
	for i, colour := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="16" r="5" fill="%s"/>`+"\n", margin+5+i*18, colour)
	}
	fmt.Fprintf(&b, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="%d" fill="#e6edf3">`+"\n", fontSize)
	for i, line := range lines {
		if line != "" {
			drawLine(&b, line, titleBar+i*lineHeight+fontSize)
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes(), nil
}

func drawLine(b *bytes.Buffer, line string, y int) {
	fmt.Fprintf(b, `<text x="%d" y="%d" textLength="%.1f">`, margin, y, float64(utf8.RuneCountInString(line))*charWidth)
	first, rest := line, ""
	if at := strings.IndexByte(line, ' '); at >= 0 {
		first, rest = line[:at], line[at:]
	}
	switch colour := colourOf(first); {
	case first == "$":
		fmt.Fprintf(b, `<tspan fill="#7d8590">$</tspan><tspan font-weight="bold">%s</tspan>`, escape(rest))
	case colour != "":
		fmt.Fprintf(b, `<tspan fill="%s">%s</tspan>%s`, colour, escape(first), escape(rest))
	default:
		b.WriteString(escape(line))
	}
	b.WriteString("</text>\n")
}

// colourOf is the colour of an outcome, "" for any other word.
func colourOf(word string) string {
	switch word {
	case "pass":
		return "#3fb950"
	case "skip":
		return "#d29922"
	case "fail":
		return "#f85149"
	}
	return ""
}

// escape also makes blanks no-break ones: an SVG has one where several stand together.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", " ", "\u00a0").Replace(text)
}

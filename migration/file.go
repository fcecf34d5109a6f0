package migration

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A LineError says what is wrong with a line of a scenario file.
type LineError struct {
	File string // or the scenario's name
	Line int    // from 1 on; 0 where it is about no line
	Text string // what is wrong, and what would have been right
}

func (e *LineError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Text)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}

// Bounds of a scenario file.
const (
	maxFileSize = 1 << 20 // bytes
	maxErrors   = 20      // that are reported of one file
)

// Parse reads a scenario file: text, one step a line, in the order in which they happen. A
// line is a verb of the vocabulary and its arguments, divided by blanks; what has blanks
// in it is in double quotes, as Go writes them, and JSON as it is; what comes behind #
// is a comment. Source, destination or both with a colon may be in front. The first
// comment is a sentence about what happens. Lines about how the scenario is come before
// the steps, and where it ends comes behind them.
//
// The scenario gets the name given, and file is what errors call the text. All that is
// wrong is in the error, which joins a [*LineError] for each line, 20 at most.
func Parse(name, file, text string, v Vocabulary) (Scenario, error) {
	s := Scenario{Name: name, Text: text}
	if len(text) > maxFileSize {
		return s, &LineError{File: file, Text: fmt.Sprintf("%d bytes are more than a scenario file may have (%d)", len(text), maxFileSize)}
	}
	p := parser{scenario: &s, vocabulary: v}
	var wrong []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		if err := p.line(number, strings.TrimRight(line, "\r\n")); err != nil {
			err.File, err.Line = file, number
			if wrong = append(wrong, err); len(wrong) == maxErrors {
				wrong = append(wrong, &LineError{File: file, Text: "too many errors"})
				break
			}
		}
	}
	s.Doc = strings.Join(p.doc, " ")
	if len(wrong) == 0 && len(s.Steps) == 0 {
		wrong = append(wrong, &LineError{File: file, Text: "there is no step in it"})
	}
	if len(wrong) == 0 {
		if err, ok := errors.AsType[*LineError](s.Check()); ok {
			err.File = file
			wrong = append(wrong, err)
		}
	}
	return s, errors.Join(wrong...)
}

type parser struct {
	scenario   *Scenario
	vocabulary Vocabulary
	doc        []string
	docDone    bool
	last       string // the line that must be the last
	behindLast bool   // another was told of that comes behind it
}

func (p *parser) line(number int, text string) *LineError {
	trimmed := strings.TrimSpace(text)
	if comment, ok := strings.CutPrefix(trimmed, "#"); ok {
		if comment = strings.TrimSpace(comment); !p.docDone && comment != "" {
			p.doc = append(p.doc, comment)
		}
		return nil
	}
	if trimmed == "" {
		p.docDone = p.docDone || len(p.doc) > 0
		return nil
	}
	p.docDone = true
	words, err := split(trimmed)
	if err != nil || len(words) == 0 {
		return err
	}
	if p.behindLast {
		return nil
	}
	if p.last != "" {
		last := p.last
		p.last, p.behindLast = "", true
		return &LineError{Text: fmt.Sprintf("%q comes behind %q, which must be the last line", joined(words), last)}
	}
	verb, n, ok := p.vocabulary.find(words)
	if !ok || verb.Declare == nil {
		step, wrong := p.vocabulary.step(words)
		if wrong != nil {
			return wrong
		}
		step.Line = number
		p.scenario.Steps = append(p.scenario.Steps, step)
		return nil
	}
	if len(p.scenario.Steps) > 0 && !verb.Last {
		return &LineError{Text: fmt.Sprintf("%q is about how the scenario is, and must be before its first step", verb.Name)}
	}
	a := &Args{words: words[n:], vocabulary: p.vocabulary}
	verb.Declare(a, p.scenario)
	if verb.Last {
		p.last = joined(words)
	}
	return a.done(verb)
}

// step makes the step that a line describes.
func (v Vocabulary) step(words []word) (Step, *LineError) {
	name, side := joined(words), ""
	if prefix, ok := strings.CutSuffix(words[0].text, ":"); ok && !words[0].quoted {
		if side = prefix; !slices.Contains(OnSource, side) {
			return Step{}, &LineError{Text: fmt.Sprintf("%q is no side: it is source:, destination: or both:", words[0].text)}
		}
		if words = words[1:]; len(words) == 0 {
			return Step{}, &LineError{Text: "a verb is missing behind " + side + ":"}
		}
	}
	verb, n, ok := v.find(words)
	switch {
	case !ok:
		return Step{}, &LineError{Text: v.unknown(words)}
	case verb.Step == nil:
		return Step{}, &LineError{Text: fmt.Sprintf("%q is no step", verb.Name)}
	case side != "" && !slices.Contains(verb.Sides, side):
		return Step{}, &LineError{Text: fmt.Sprintf("%q takes no %s: before it%s", verb.Name, side, allowed(verb.Sides))}
	case side == "" && len(verb.Sides) > 0:
		side = verb.Sides[0]
	}
	a := &Args{words: words[n:], side: side, vocabulary: v}
	step := verb.Step(a)
	step.Name = name
	step.Gives = append(step.Gives, verb.Name)
	return step, a.done(verb)
}

func allowed(sides []string) string {
	if len(sides) == 0 {
		return ""
	}
	return ", only " + strings.Join(sides, ": or ") + ":"
}

// done is what is wrong with the words of a line, when its verb has taken what it wants.
func (a *Args) done(verb Verb) *LineError {
	if a.wrong == nil && a.More() {
		a.Fail("%q is too much", joined(a.words))
	}
	if a.wrong != nil && !strings.Contains(a.wrong.Text, "; write: ") {
		a.wrong.Text += "; write: " + strings.TrimSpace(verb.Name+" "+verb.Args) + cmp.Or(example(verb), "")
	}
	return a.wrong
}

func example(verb Verb) string {
	if verb.Args == "" {
		return ""
	}
	return ", for instance " + verb.Example
}

// A word of a line.
type word struct {
	text   string // what it means
	raw    string // as it is there
	quoted bool
}

func joined(words []word) string {
	var all []string
	for _, w := range words {
		all = append(all, w.raw)
	}
	return strings.Join(all, " ")
}

// split divides a line into its words.
func split(line string) ([]word, *LineError) {
	var words []word
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			return words, nil
		}
		var w word
		var err *LineError
		switch line[0] {
		case '"':
			w, err = quoted(line)
		case '{', '[':
			w, err = bracketed(line)
		default:
			end := strings.IndexAny(line, " \t")
			if end < 0 {
				end = len(line)
			}
			w = word{text: line[:end], raw: line[:end]}
		}
		if err != nil {
			return nil, err
		}
		words, line = append(words, w), line[len(w.raw):]
	}
}

func quoted(line string) (word, *LineError) {
	raw, err := strconv.QuotedPrefix(line)
	if err != nil {
		return word{}, &LineError{Text: fmt.Sprintf("%s has no closing quote, or an escape that Go doesn't know", line)}
	}
	text, _ := strconv.Unquote(raw)
	return word{text: text, raw: raw, quoted: true}, nil
}

// bracketed takes a JSON value, or a word that begins as one, up to the bracket that
// closes it.
func bracketed(line string) (word, *LineError) {
	depth, inString := 0, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				end := i + 1
				if more := strings.IndexAny(line[end:], " \t"); more >= 0 {
					end += more
				} else {
					end = len(line)
				}
				return word{text: line[:end], raw: line[:end]}, nil
			}
		}
	}
	return word{}, &LineError{Text: fmt.Sprintf("%s has no closing bracket", line)}
}

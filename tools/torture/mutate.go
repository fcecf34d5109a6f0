package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
)

// odd are values that no record and no scenario file was written for.
func odd() []string {
	return []string{
		"", "0", "-1", "1e308", "1e-308", "NaN", "18446744073709551616", "9223372036854775807", "-9223372036854775808", "4294967295",
		"\x1b]0;OWNED\x07\x1b[2J", "\u202e\u0007", "\xff\xfe", "\x00", "%s%n%d", "../../../etc/passwd", "a,b=c", `"`, `\`, "{", "[[[[",
		"\r\n", strings.Repeat("A", 100_000), strings.Repeat("A ", 20_000), "null", "🐂",
	}
}

// mutateBytes changes some bytes: it flips bits, cuts, repeats, inserts, and puts numbers
// with all bits set where lengths may be.
func mutateBytes(a *attempt, text []byte) []byte {
	text = bytes.Clone(text)
	for range 1 + a.IntN(4) {
		if len(text) < 16 {
			return text
		}
		at := a.IntN(len(text) - 8)
		n := 1 + a.IntN(min(4096, len(text)-at))
		switch a.IntN(8) {
		case 0:
			text[at] ^= 1 << a.IntN(8)
		case 1:
			text = text[:at]
		case 2:
			text = slices.Insert(text, at, bytes.Clone(text[at:at+n])...)
		case 3:
			text = slices.Delete(text, at, at+n)
		case 4:
			binary.BigEndian.PutUint32(text[at:], pick(a, []uint32{math.MaxUint32, math.MaxInt32, 0, 1 << 31, a.Uint32()}))
		case 5:
			binary.BigEndian.PutUint64(text[at:], pick(a, []uint64{math.MaxUint64, math.MaxInt64, 0, 1 << 62, a.Uint64()}))
		case 6:
			text = slices.Insert(text, at, []byte(pick(a, odd()))...)
		case 7:
			text[at] = byte(a.Uint32())
		}
	}
	return text
}

// mutateLines changes some lines of a scenario file: it removes, repeats, swaps, and puts
// odd words in place of theirs.
func mutateLines(a *attempt, text []byte) []byte {
	lines := strings.Split(string(text), "\n")
	for range 1 + a.IntN(4) {
		at, other := a.IntN(len(lines)), a.IntN(len(lines))
		words := strings.Fields(lines[at])
		switch a.IntN(6) {
		case 0:
			lines = append(lines[:at:at], lines[at+1:]...)
		case 1:
			lines = slices.Insert(lines, other, lines[at])
		case 2:
			lines[at], lines[other] = lines[other], lines[at]
		case 3:
			lines[at] = strings.Repeat(lines[at]+" ", 1+a.IntN(2000))
		case 4, 5:
			if len(words) > 0 {
				words[a.IntN(len(words))] = pick(a, odd())
				lines[at] = strings.Join(words, " ")
			}
		}
		if len(lines) == 0 {
			break
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// A place is one in a JSON document where a value stands.
type place struct {
	path string
	in   any // a map[string]any or a []any
	key  string
	at   int
}

func (p place) value() any {
	if object, ok := p.in.(map[string]any); ok {
		return object[p.key]
	}
	return p.in.([]any)[p.at]
}

func (p place) set(value any) {
	if object, ok := p.in.(map[string]any); ok {
		object[p.key] = value
		return
	}
	p.in.([]any)[p.at] = value
}

// places are all that a document has, in order.
func places(path string, value any) (all []place) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			all = append(all, place{path: path + "/" + key, in: value, key: key})
			all = append(all, places(path+"/"+key, value[key])...)
		}
	case []any:
		for i, element := range value {
			all = append(all, place{path: path + "/-", in: value, at: i})
			all = append(all, places(path+"/-", element)...)
		}
	}
	return all
}

// mutateJSON changes one value, or takes a member away, and says where.
func mutateJSON(a *attempt, text []byte) (changed []byte, what string, err error) {
	document, all, err := placesIn(text)
	if err != nil {
		return nil, "", err
	}
	p := pick(a, all)
	object, isMember := p.in.(map[string]any)
	switch a.IntN(6) {
	case 0, 1:
		if isMember {
			delete(object, p.key)
			what = "without " + p.path
			break
		}
		fallthrough
	case 2:
		p.set(nil)
		what = "null at " + p.path
	case 3:
		p.set(json.Number(pick(a, []string{"0", "-1", "1", "1e308", "9223372036854775807", "18446744073709551615", "0.5", "1e-300"})))
		what = "a number at " + p.path
	case 4:
		p.set(pick(a, odd()))
		what = "a text at " + p.path
	case 5:
		p.set(pick(a, []any{[]any{}, map[string]any{}, true, []any{p.value(), p.value()}, map[string]any{"Legs": []any{p.value()}}}))
		what = "another type at " + p.path
	}
	changed, err = encode(document)
	return changed, what, err
}

// placesIn decodes a document, and finds all places in it.
func placesIn(text []byte) (document any, all []place, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return nil, nil, err
	}
	return document, places("", document), nil
}

func encode(document any) ([]byte, error) { return json.Marshal(document) }

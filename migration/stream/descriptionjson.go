package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	elementBytes   = 40  // of text, at least, for each device, struct, field and subsection
	fewElements    = 64  // that need none
	maxUnknownDeep = 256 // of objects and lists that mean nothing here
)

// A descriptionDecoder takes JSON apart token by token, so that no more is made of it
// than its length allows.
type descriptionDecoder struct {
	json *json.Decoder
	left int               // elements that may still be made
	seen map[string]string // names, of which most come more than once
}

var (
	errManyElements = errors.New("it has more parts than its length allows")
	errDeep         = errors.New("it has too many structs in each other")
)

func decodeDescription(text []byte) (*Description, error) {
	d := &descriptionDecoder{
		json: json.NewDecoder(bytes.NewReader(text)),
		left: fewElements + len(text)/elementBytes,
		seen: map[string]string{},
	}
	d.json.UseNumber()
	all := &Description{}
	err := d.object(func(key string) (err error) {
		switch key {
		case "page_size":
			all.PageSize, err = d.number(key)
		case "configuration":
			all.Configuration, err = d.state(0)
		case "devices":
			all.Devices, err = d.states(0)
		default:
			err = d.skip()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := d.json.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something stands behind its end, at byte %d of it", d.json.InputOffset())
	}
	return all, nil
}

// object reads one, and has each of its values read. A null is an object without any.
func (d *descriptionDecoder) object(member func(key string) error) error {
	return d.inside('{', func() error {
		token, err := d.token()
		if err != nil {
			return err
		}
		return member(token.(string)) // nothing else can be there
	})
}

func (d *descriptionDecoder) list(item func() error) error { return d.inside('[', item) }

func (d *descriptionDecoder) inside(begin json.Delim, each func() error) error {
	token, err := d.token()
	if err != nil || token == nil {
		return err
	}
	if token != begin {
		return fmt.Errorf("%v stands where a %c should, before byte %d of it", token, begin, d.json.InputOffset())
	}
	for d.json.More() {
		if err := each(); err != nil {
			return err
		}
	}
	_, err = d.token()
	return err
}

func (d *descriptionDecoder) token() (json.Token, error) {
	token, err := d.json.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return token, err
}

func (d *descriptionDecoder) made(depth int) error {
	if d.left--; d.left < 0 {
		return errManyElements
	}
	if depth > maxDepth {
		return errDeep
	}
	return nil
}

func (d *descriptionDecoder) states(depth int) (all []State, err error) {
	err = d.list(func() error {
		s, err := d.state(depth)
		if s != nil {
			all = append(all, *s)
		}
		return err
	})
	return all, err
}

func (d *descriptionDecoder) state(depth int) (*State, error) {
	if err := d.made(depth); err != nil {
		return nil, err
	}
	s := &State{}
	err := d.object(func(key string) (err error) {
		switch key {
		case "name":
			s.Name, err = d.text(key)
		case "instance_id":
			s.Instance, err = d.number(key)
		case "vmsd_name":
			s.State, err = d.text(key)
		case "version":
			s.Version, err = d.number(key)
		case "fields":
			s.Fields, err = d.elements(depth + 1)
		case "subsections":
			s.Subsections, err = d.states(depth + 1)
		default:
			err = d.skip()
		}
		return err
	})
	return s, err
}

// elements are never nil where there is a list of them, also of none.
func (d *descriptionDecoder) elements(depth int) ([]Element, error) {
	all := []Element{}
	err := d.list(func() error {
		f, err := d.element(depth)
		all = append(all, f)
		return err
	})
	return all, err
}

func (d *descriptionDecoder) element(depth int) (f Element, err error) {
	if err := d.made(depth); err != nil {
		return f, err
	}
	err = d.object(func(key string) (err error) {
		switch key {
		case "name":
			f.Name, err = d.text(key)
		case "type":
			f.Type, err = d.text(key)
		case "size":
			f.Size, err = d.number(key)
		case "array_len":
			f.Length, err = d.pointer(key)
		case "index":
			f.Index, err = d.pointer(key)
		case "struct":
			f.Struct, err = d.state(depth + 1)
		case "fields":
			f.Fields, err = d.elements(depth + 1)
		case "subsections":
			f.Subsections, err = d.states(depth + 1)
		default:
			err = d.skip()
		}
		return err
	})
	return f, err
}

func (d *descriptionDecoder) text(key string) (string, error) {
	token, err := d.token()
	s, ok := token.(string)
	if err == nil && token != nil && !ok {
		return "", fmt.Errorf("%s is %v, and should be a string, before byte %d of it", key, token, d.json.InputOffset())
	}
	if known, again := d.seen[s]; again {
		return known, err
	}
	d.seen[s] = s
	return s, err
}

func (d *descriptionDecoder) number(key string) (uint32, error) {
	token, err := d.token()
	if err != nil || token == nil {
		return 0, err
	}
	text, _ := token.(json.Number)
	n, err := strconv.ParseUint(text.String(), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s is %v, and should be a number from 0 to 4294967295, before byte %d of it", key, token, d.json.InputOffset())
	}
	return uint32(n), nil
}

func (d *descriptionDecoder) pointer(key string) (*uint32, error) {
	n, err := d.number(key)
	return &n, err
}

// skip passes over a value.
func (d *descriptionDecoder) skip() error {
	for depth := 0; ; {
		token, err := d.token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxUnknownDeep {
				return errDeep
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// members are those of a JSON object that a QEMU sent, by their exact names. encoding/json
// would take STATUS for status, and 0 for what is missing.
type members map[string]json.RawMessage

// object splits what a QEMU sent.
func object(text json.RawMessage) (members, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, errors.New("there is nothing")
	}
	var m members
	if err := json.Unmarshal(text, &m); err != nil || m == nil {
		return nil, errors.New("it is no object")
	}
	s := scan{text: text} // which finds keys that are there twice
	return m, s.value(nil, false)
}

// object is a member that is an object.
func (m members) object(name string) (members, error) {
	inner, err := object(m[name])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return inner, nil
}

// number is a member that counts or measures something: it has to be there, and must not
// be negative.
func (m members) number(name string) (float64, error) {
	text, there := m[name]
	if !there {
		return 0, fmt.Errorf("it has no %s", name)
	}
	value := math.NaN()
	if err := json.Unmarshal(text, &value); err != nil || math.IsNaN(value) {
		return 0, fmt.Errorf("its %s is %.40s, expected a number", name, text)
	}
	if value < 0 {
		return 0, fmt.Errorf("its %s is negative: %.40s", name, text)
	}
	return value, nil
}

// text is a member that is a string.
func (m members) text(name string) (string, error) {
	raw, there := m[name]
	if !there {
		return "", fmt.Errorf("it has no %s", name)
	}
	var value *string
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return "", fmt.Errorf("its %s is %.40s, expected a string", name, raw)
	}
	return *value, nil
}

// numbers reads several members, and stops at the first that is not what it should be.
type numbers struct {
	members
	err error
}

func (n *numbers) read(name string) float64 {
	value, err := n.number(name)
	if n.err == nil {
		n.err = err
	}
	return value
}

package qmp

import "io"

// Split returns the objects in a stream, as copies, and what ended it.
func Split(from io.Reader, most int) (objects []string, err error) {
	s := splitter{from: from, max: most}
	for {
		value, err := s.value()
		if err != nil {
			return objects, err
		}
		objects = append(objects, string(value))
	}
}

// Parse reads one object as the session does, down to its members.
func Parse(value []byte) error {
	m, err := parse(value)
	if err != nil {
		return err
	}
	switch {
	case m.qmp != nil:
		_, err = m.greeting()
	case m.event != nil:
		_, err = m.readEvent()
	case m.failure != nil:
		_ = refusal(m.failure, "command")
	}
	return err
}

// Unreadable says what QEMU could not read in a JSON text.
func Unreadable(text []byte) error { return unreadable(text) }

// Members returns the members of an object, the last where two have one name.
func Members(object []byte) map[string]string {
	all := map[string]string{}
	for name, value := range members(object) {
		all[string(name)] = string(value)
	}
	return all
}

// AppendText writes a string as JSON.
func AppendText(b []byte, s string) []byte { return appendText(b, s) }

// Pending says how many commands a session keeps in mind.
func Pending(s *Session) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

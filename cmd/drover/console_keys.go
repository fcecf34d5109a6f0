package main

import "strings"

// escapeKey is Ctrl-], as in telnet and virsh.
const escapeKey = 0x1d

// A key is something to do for what a person typed: bytes for the guest, or a
// command behind the escape key.
type key struct {
	text    string
	command byte // 0: text is for the guest
}

// keys takes apart what is typed.
type keys struct{ escaped bool }

// typed returns what to do, in order. An escape key at the end waits for the
// next bytes.
func (k *keys) typed(text string) []key {
	var all []key
	for text != "" {
		if k.escaped {
			k.escaped = false
			if text[0] == escapeKey {
				all = append(all, key{text: text[:1]})
			} else {
				all = append(all, key{command: text[0]})
			}
			text = text[1:]
			continue
		}
		plain, rest, found := strings.Cut(text, string(rune(escapeKey)))
		if plain != "" {
			all = append(all, key{text: plain})
		}
		k.escaped, text = found, rest
	}
	return all
}

package main

import (
	"fmt"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/stream"
)

// unwrap finds out what the input is that isn't a stream. Where there is a stream in it
// as it is, that is where reading begins; else the error is one sentence on what the input
// is, and on how the stream comes out of it.
func (in *inspectInput) unwrap() (stream.Wrapping, error) {
	head, err := in.head()
	if err != nil {
		return stream.Wrapping{}, err
	}
	if len(head) == 0 {
		return stream.Wrapping{}, fmt.Errorf("%s has nothing at byte %d where a stream should begin", in.title(), in.options.Offset)
	}
	w, known := stream.FindWrapping(head)
	if !known {
		return w, nil
	}
	in.options.Offset += w.Offset
	switch {
	case w.None != "":
		return w, fmt.Errorf("%s is %s: %s", in.title(), w.Name, w.None)
	case w.Unpack != "":
		return w, fmt.Errorf("%s is %s: %s", in.title(), w.Name, in.unpack(w.Unpack))
	case in.file != nil && in.options.Offset > in.size:
		return w, fmt.Errorf("%s is %s whose stream should begin at byte %d, and it has %d: truncated", in.title(), w.Name, in.options.Offset, in.size)
	}
	return w, nil
}

// unpack is the command that reads the stream which is packed in the input.
func (in *inspectInput) unpack(with string) string {
	skip := ""
	if before := in.options.Offset - in.start; before > 0 {
		skip = fmt.Sprintf("tail -c +%d", before+1)
	}
	switch {
	case in.name == "-" && skip != "":
		return skip + " | " + with + " | drover inspect -"
	case in.name == "-":
		return with + " | drover inspect -"
	case skip != "":
		return skip + " " + shellWord(in.name) + " | " + with + " | drover inspect -"
	}
	return with + " " + shellWord(in.name) + " | drover inspect -"
}

// maxFindStream is how much of a file is searched for a stream.
const maxFindStream = 64 << 20

// noStream is the error where no stream begins, with the place where one does.
func (in *inspectInput) noStream(w stream.Wrapping, err error) error {
	if w.Name != "" {
		return fmt.Errorf("%s is %s: %w", in.title(), w.Name, err)
	}
	if in.file == nil {
		return err
	}
	from := in.options.Offset
	at := stream.FindStream(in.file, from, min(in.size, from+maxFindStream))
	if at < 0 {
		return err
	}
	return fmt.Errorf("%w; one begins at byte %d: drover inspect -offset %d %s", err, at, at-in.start, shellWord(in.name))
}

func (in *inspectInput) title() string {
	if in.name == "-" {
		return "the standard input"
	}
	return in.name
}

// shellWord writes a file's name as a shell reads it, without control characters.
func shellWord(name string) string {
	if strings.HasPrefix(name, "-") && name != "-" {
		name = "./" + name
	}
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./,:@%+=-"
	if name != "" && strings.Trim(name, safe) == "" {
		return name
	}
	if plain.Text(name) != name {
		quoted := &strings.Builder{}
		for _, b := range []byte(name) { // and not by character, which bash makes of them in some locales only
			if strings.IndexByte(safe+` "$`, b) >= 0 {
				quoted.WriteByte(b)
			} else {
				fmt.Fprintf(quoted, `\x%02x`, b)
			}
		}
		return "$'" + quoted.String() + "'"
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

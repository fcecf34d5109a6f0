package steps

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

// Much of what a device has been told is in no field of it, and is made anew from those that
// were loaded: QEMU tells it where it is asked.
func answerVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "expect equal-answers", Args: "COMMAND...",
			Doc:     "Both sides' QEMUs answer QMP commands that take no arguments with the same, such as which frames network devices let in (query-rx-filter), but for IDs of threads, names of files and block nodes, commands that are refused by both, and between two versions members that only one has; something must be told.",
			Example: "expect equal-answers query-pci query-rx-filter",
			Step: func(a *migration.Args) migration.Step {
				commands := append([]string{a.Word("a command")}, a.Rest()...)
				for _, c := range commands {
					if !strings.HasPrefix(c, "query-") {
						a.Fail("%q is not one of QMP's commands that only ask, such as query-pci", c)
					}
				}
				return ExpectEqualAnswers(commands...)
			},
		},
	}
}

// ExpectEqualAnswers holds what the destination answers to QMP commands without arguments
// against the source's answers. Some of it is made where the guest is loaded, such as the
// frames that network devices let in, and some where it runs again, such as whether it has a
// virtio-serial port open and which cache a virtio disk has.
func ExpectEqualAnswers(commands ...string) migration.Step {
	expect := onDestination("expect equal-answers", func(ctx context.Context, p *migration.Pair) error {
		compared := 0
		for _, command := range commands {
			source, destination, err := ofBoth(ctx, p, func(ctx context.Context, s *migration.Side) (members, error) {
				return answerTo(ctx, s, command)
			})
			if err != nil {
				return err
			}
			if p.Source.Facts.Version != p.Destination.Facts.Version {
				source, destination = inBoth(source, destination), inBoth(destination, source)
			}
			if err := differentAnswers(source, destination); err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			compared += source.told()
		}
		p.Measure("members of answers held against the source's", float64(compared), "members", record.AtLeast(1))
		return nil
	})
	expect.Wants = []string{"migrate"}
	return expect
}

// members are the values of an answer, as JSON, by where they are in it, and the lengths of its
// arrays; none where QEMU refuses to answer, as on a machine that does not have such a thing.
type members map[string]string

// lengthOf is before the path of an array.
const lengthOf = "the length of "

// told is how many values there are: an answer that is an empty array tells nothing.
func (m members) told() (n int) {
	for name := range m {
		if !strings.HasPrefix(name, lengthOf) {
			n++
		}
	}
	return n
}

// inBoth are those of one that the other has too.
func inBoth(one, other members) members {
	both := maps.Clone(one)
	maps.DeleteFunc(both, func(name, _ string) bool { return other[name] == "" })
	return both
}

// differentAnswers returns what one side tells in another way than the other.
func differentAnswers(source, destination members) error {
	for _, name := range slices.Sorted(maps.Keys(source)) {
		if has := cmp.Or(destination[name], "not told"); has != source[name] {
			return fmt.Errorf("%s is %s on the source, and %s on the destination", name, source[name], has)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(destination)) {
		if source[name] == "" {
			return fmt.Errorf("%s is not told on the source, and %s on the destination", name, destination[name])
		}
	}
	return nil
}

// ofOneProcess are members that are another process's on the other side: its threads, the
// files of its folder, what it numbers itself, and whether it may write to its images.
var ofOneProcess = []string{"thread-id", "filename", "file", "node-name", "active"}

// answerTo is what a side's QEMU answers to a command.
func answerTo(ctx context.Context, s *migration.Side, command string) (members, error) {
	var text json.RawMessage
	err := s.QMP().Execute(ctx, command, nil, &text)
	if _, refused := errors.AsType[*qmp.Error](err); refused {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // an address may need all its 64 bits
	var whole any
	if err := decoder.Decode(&whole); err != nil {
		return nil, err
	}
	all := members{}
	all.add("answer", whole)
	return all, nil
}

// add takes a value, and all that is in it, by its path.
func (m members) add(path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, value := range v {
			if !slices.Contains(ofOneProcess, name) {
				m.add(path+"."+name, value)
			}
		}
	case []any:
		m[lengthOf+path] = fmt.Sprint(len(v))
		for n, value := range v {
			m.add(fmt.Sprintf("%s[%d]", path, n), value)
		}
	default:
		text, _ := json.Marshal(v) // of a string, a number, true, false or null
		m[path] = string(text)
	}
}

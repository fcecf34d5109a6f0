package qapi

import "context"

// A ChardevBackend is what stands behind a character device: a type such as null,
// ringbuf, file or socket, with that type's members as data (ChardevBackend
// in qapi/char.json).
type ChardevBackend struct {
	Type string         `json:"type"`
	Data map[string]any `json:"data"`
}

// chardevArguments are those of chardev-add and chardev-change.
type chardevArguments struct {
	ID      string         `json:"id"`
	Backend ChardevBackend `json:"backend"`
}

// chardevReply is what they answer.
type chardevReply struct {
	PTY string `json:"pty"`
}

// ChardevAdd makes a character device. It returns the path of the terminal that a
// backend of type pty has, "" for others.
func ChardevAdd(ctx context.Context, e Executor, id string, backend ChardevBackend) (pty string, err error) {
	return chardev(ctx, e, "chardev-add", id, backend)
}

// ChardevChange puts another backend behind a character device, where the device's
// frontend can do that. It returns what [ChardevAdd] does.
func ChardevChange(ctx context.Context, e Executor, id string, backend ChardevBackend) (pty string, err error) {
	return chardev(ctx, e, "chardev-change", id, backend)
}

func chardev(ctx context.Context, e Executor, command, id string, backend ChardevBackend) (string, error) {
	if backend.Data == nil {
		backend.Data = map[string]any{}
	}
	r, _, err := query[chardevReply](ctx, e, command, chardevArguments{id, backend})
	return r.PTY, err
}

// ChardevRemove removes a character device that nothing uses.
func ChardevRemove(ctx context.Context, e Executor, id string) error {
	return do(ctx, e, "chardev-remove", map[string]string{"id": id})
}

// ChardevInfo is a character device.
type ChardevInfo struct {
	Label        string `json:"label"`    // its id
	Filename     string `json:"filename"` // what stands behind it, for people
	FrontendOpen bool   `json:"frontend-open"`
}

// QueryChardev returns the character devices.
func QueryChardev(ctx context.Context, e Executor) ([]ChardevInfo, error) {
	list, _, err := query[[]ChardevInfo](ctx, e, "query-chardev", nil)
	return list, err
}

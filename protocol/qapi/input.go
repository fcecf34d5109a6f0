package qapi

import "context"

// An InputEvent is something that a person does with a keyboard or a tablet. QEMU gives it to the
// device of that kind that was activated last.
type InputEvent struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

// InputKey presses a key, or releases it. QEMU has names for them, such as "a".
func InputKey(name string, down bool) InputEvent {
	return InputEvent{"key", map[string]any{"key": map[string]string{"type": "qcode", "data": name}, "down": down}}
}

// InputButton presses a button, or releases it: "left", for one.
func InputButton(name string, down bool) InputEvent {
	return InputEvent{"btn", map[string]any{"button": name, "down": down}}
}

// InputPlace moves the pointer to a place along an axis, "x" or "y": 0 to 0x7fff.
func InputPlace(axis string, place uint64) InputEvent {
	return InputEvent{"abs", map[string]any{"axis": axis, "value": place}}
}

// InputSendEvent has events happen at once. The guest has to run.
func InputSendEvent(ctx context.Context, e Executor, events ...InputEvent) error {
	return do(ctx, e, "input-send-event", map[string][]InputEvent{"events": events})
}

package qapi

import (
	"context"
	"encoding/json"
	"maps"
)

// ObjectAdd makes an object, as -object does, with properties that may be nil.
func ObjectAdd(ctx context.Context, e Executor, qomType, id string, properties map[string]any) error {
	arguments := map[string]any{}
	maps.Copy(arguments, properties)
	arguments["qom-type"], arguments["id"] = qomType, id
	return do(ctx, e, "object-add", arguments)
}

// ObjectDel removes an object that nothing uses.
func ObjectDel(ctx context.Context, e Executor, id string) error {
	return do(ctx, e, "object-del", map[string]string{"id": id})
}

// DeviceAdd plugs a device in, as -device does, with properties that may be nil.
func DeviceAdd(ctx context.Context, e Executor, driver, id string, properties map[string]any) error {
	arguments := map[string]any{}
	maps.Copy(arguments, properties)
	arguments["driver"], arguments["id"] = driver, id
	return do(ctx, e, "device_add", arguments)
}

// DeviceDel asks for a device to be unplugged. With most buses the guest has a say, so
// it is removed when DEVICE_DELETED comes, not before.
func DeviceDel(ctx context.Context, e Executor, id string) error {
	return do(ctx, e, "device_del", map[string]string{"id": id})
}

// A Property is one that an object in QEMU's object model has (qapi/qom.json). A
// child is one too, with a type of "child<...>".
type Property struct {
	Name         string          `json:"name"`
	Type         string          `json:"type"`
	Description  string          `json:"description"`
	DefaultValue json.RawMessage `json:"default-value"` // nil where there is none
}

// QOMList returns the properties of the object at a path such as /machine.
func QOMList(ctx context.Context, e Executor, path string) ([]Property, error) {
	list, _, err := query[[]Property](ctx, e, "qom-list", map[string]string{"path": path})
	return list, err
}

// QOMGet stores a property's value in what value points to.
func QOMGet(ctx context.Context, e Executor, path, property string, value any) error {
	return e.Execute(ctx, "qom-get", map[string]string{"path": path, "property": property}, value)
}

// QOMSet gives a property a value.
func QOMSet(ctx context.Context, e Executor, path, property string, value any) error {
	return do(ctx, e, "qom-set", map[string]any{"path": path, "property": property, "value": value})
}

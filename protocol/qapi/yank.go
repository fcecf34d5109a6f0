package qapi

import "context"

// A YankInstance is a connection that QEMU can cut where it hangs (qapi/yank.json).
type YankInstance struct {
	Type     string `json:"type"`                // block-node, chardev or migration
	NodeName string `json:"node-name,omitempty"` // of a block-node
	ID       string `json:"id,omitempty"`        // of a chardev
}

// QueryYank returns what can be cut. Since 6.0; may be executed out of band.
func QueryYank(ctx context.Context, e Executor) ([]YankInstance, error) {
	list, _, err := query[[]YankInstance](ctx, e, "query-yank", nil)
	return list, err
}

// Yank cuts connections, as if the network had. Since 6.0; may be executed out of
// band. Where an instance isn't there QEMU refuses with DeviceNotFound.
func Yank(ctx context.Context, e Executor, instances ...YankInstance) error {
	if instances == nil {
		instances = []YankInstance{}
	}
	return do(ctx, e, "yank", map[string]any{"instances": instances})
}

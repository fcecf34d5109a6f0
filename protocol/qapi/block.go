package qapi

import "context"

// BlockdevAdd opens a block node, as -blockdev does: the node is its options, such as
// driver, node-name and filename (BlockdevOptions in qapi/block-core.json).
func BlockdevAdd(ctx context.Context, e Executor, node map[string]any) error {
	return do(ctx, e, "blockdev-add", node)
}

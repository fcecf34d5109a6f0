package launcher

import (
	"context"

	"github.com/drover-vm/drover/protocol/qtest"
)

// machine answers what the qtest session asks before it sends a request that
// would end QEMU: only the monitor knows.
func (v *VM) machine() qtest.Machine {
	return qtest.Machine{
		Properties: func(ctx context.Context, path string) (properties []qtest.Property, err error) {
			err = v.qmp.Execute(ctx, "qom-list", map[string]string{"path": path}, &properties)
			return properties, err
		},
		HasCPU: func(ctx context.Context) (bool, error) {
			var cpus []struct{}
			err := v.qmp.Execute(ctx, "query-cpus-fast", nil, &cpus)
			return len(cpus) > 0, err
		},
	}
}

package qapi_test

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"
)

func Example() {
	ctx := context.Background()
	q := fakeqemu.New(fakeqemu.Config{}) // in place of a QEMU's monitor
	defer q.Close()
	session, err := qmp.New(ctx, q.QMP(), qmp.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()

	if err := qapi.SetMigrateParameters(ctx, session, map[string]any{
		string(qapi.ParamMaxBandwidth):  1 << 30, // bytes a second
		string(qapi.ParamDowntimeLimit): 300,     // milliseconds
	}); err != nil {
		fmt.Println(err)
	}
	if err := qapi.Stop(ctx, session); err != nil {
		fmt.Println(err)
	}
	status, err := qapi.QueryStatus(ctx, session)
	fmt.Println(status.Status, status.Running, err)
	info, err := qapi.QueryMigrate(ctx, session)
	fmt.Printf("%q %s %v\n", info.Status, info.Raw, err)
	// Output:
	// paused false <nil>
	// "" {} <nil>
}

func ExampleMigrate() {
	ctx := context.Background()
	q := fakeqemu.New(fakeqemu.Config{})
	defer q.Close()
	session, err := qmp.New(ctx, q.QMP(), qmp.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()

	err = qapi.SetMigrateCapabilities(ctx, session, map[string]bool{string(qapi.CapEvents): true})
	if err != nil {
		fmt.Println(err)
	}
	err = qapi.Migrate(ctx, session, qapi.MigrateArguments{URI: "unix:/run/migrate"})
	fmt.Println(err)
	_, err = session.WaitFunc(ctx, 0, func(e qmp.Event) bool {
		var data qapi.MigrationEvent
		return e.Name == "MIGRATION" && e.Decode(&data) == nil && data.Status == qapi.MigrationCompleted
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}

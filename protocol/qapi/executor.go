package qapi

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// An Executor executes QMP commands; *qmp.Session is one.
type Executor interface {
	Execute(ctx context.Context, command string, arguments, reply any) error
}

// An OOBExecutor executes QMP commands out of band; *qmp.Session is one.
type OOBExecutor interface {
	ExecuteOOB(ctx context.Context, command string, arguments, reply any) error
}

// A FileExecutor executes QMP commands with open files beside them;
// *qmp.Session is one, on a UNIX socket.
type FileExecutor interface {
	ExecuteFiles(ctx context.Context, command string, arguments, reply any, files ...*os.File) error
}

// OOB makes the functions of this package execute out of band: such commands
// overtake others that hang. QEMU allows it for few: of those here [MigratePause],
// [MigrateRecover], [Yank] and [QueryYank].
//
//	err := qapi.MigratePause(ctx, qapi.OOB(session))
func OOB(e OOBExecutor) Executor { return outOfBand{e} }

type outOfBand struct{ OOBExecutor }

func (o outOfBand) Execute(ctx context.Context, command string, arguments, reply any) error {
	return o.ExecuteOOB(ctx, command, arguments, reply)
}

// query executes a command, and returns both its decoded reply and the reply as
// it came.
func query[T any](ctx context.Context, e Executor, command string, arguments any) (decoded T, raw json.RawMessage, err error) {
	if err = e.Execute(ctx, command, arguments, &raw); err != nil {
		return decoded, raw, err
	}
	if err = json.Unmarshal(raw, &decoded); err != nil {
		err = fmt.Errorf("qapi: reply to %s: %w", command, err)
	}
	return decoded, raw, err
}

// do executes a command whose reply says nothing.
func do(ctx context.Context, e Executor, command string, arguments any) error {
	return e.Execute(ctx, command, arguments, nil)
}

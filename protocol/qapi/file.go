package qapi

import (
	"context"
	"os"
)

// GetFD gives QEMU a copy of a file under a name, for "fd:name" in a migration's
// URI. One of the same name that QEMU has is closed. The name is known to this
// session only.
func GetFD(ctx context.Context, e FileExecutor, name string, f *os.File) error {
	return e.ExecuteFiles(ctx, "getfd", map[string]string{"fdname": name}, nil, f)
}

// CloseFD closes a file that [GetFD] gave.
func CloseFD(ctx context.Context, e Executor, name string) error {
	return do(ctx, e, "closefd", map[string]string{"fdname": name})
}

// AddFDArguments say which set of files one goes to.
type AddFDArguments struct {
	FDSet  *int64 `json:"fdset-id,omitempty"` // nil makes a new set
	Opaque string `json:"opaque,omitempty"`   // any text, for people
}

// FDInfo is a file in a set (AddfdInfo in qapi/misc.json).
type FDInfo struct {
	FDSet int64 `json:"fdset-id"` // opened as /dev/fdset/FDSet wherever QEMU takes a file's name
	FD    int   `json:"fd"`       // its number in QEMU
}

// AddFD gives QEMU a copy of a file in a set of files, which all sessions see.
func AddFD(ctx context.Context, e FileExecutor, f *os.File, to AddFDArguments) (FDInfo, error) {
	var info FDInfo
	err := e.ExecuteFiles(ctx, "add-fd", to, &info, f)
	return info, err
}

// RemoveFD removes a file from a set, all of them where fd is nil.
func RemoveFD(ctx context.Context, e Executor, set int64, fd *int) error {
	return do(ctx, e, "remove-fd", struct {
		Set int64 `json:"fdset-id"`
		FD  *int  `json:"fd,omitempty"`
	}{set, fd})
}

// FDSetInfo is a set of files that QEMU was given.
type FDSetInfo struct {
	FDSet int64       `json:"fdset-id"`
	FDs   []FDSetFile `json:"fds"`
}

// FDSetFile is one of its files.
type FDSetFile struct {
	FD     int    `json:"fd"`
	Opaque string `json:"opaque"`
}

// QueryFDSets returns the sets of files.
func QueryFDSets(ctx context.Context, e Executor) ([]FDSetInfo, error) {
	list, _, err := query[[]FDSetInfo](ctx, e, "query-fdsets", nil)
	return list, err
}

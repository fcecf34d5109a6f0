package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionIsWhatTheBuildSays(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.99", Main: debug.Module{Version: "v1.2.3"}}
	b := buildOf(info, true)
	b.Platform = "linux/amd64"
	require.Equal(t, "drover v1.2.3 go1.99 linux/amd64", b.String())

	info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "false"}}
	b = buildOf(info, true)
	b.Platform = "linux/amd64"
	require.Equal(t, "drover v1.2.3 (commit abc of 2026-01-02T03:04:05Z) go1.99 linux/amd64", b.String())

	info.Settings[2].Value = "true"
	require.Contains(t, buildOf(info, true).String(), "05Z, with changes)")
	require.Contains(t, buildOf(nil, false).String(), "drover (devel) go1")
}

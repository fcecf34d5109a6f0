package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// started starts a command that doesn't look at its context, and returns only when goOn is
// closed; and ends the context.
func started(t *testing.T, owns bool) (returned chan int, goOn chan struct{}, stderr *strings.Builder) {
	t.Helper()
	goOn, returned, stderr = make(chan struct{}), make(chan int, 1), &strings.Builder{}
	c := command{owns: owns, run: func(context.Context, []string, *os.File, io.Writer, io.Writer) int {
		<-goOn
		return exitFailed
	}}
	ctx, end := context.WithCancelCause(t.Context())
	go func() { returned <- c.start(ctx, nil, nil, io.Discard, stderr) }()
	end(errors.New("hangup signal received"))
	return returned, goOn, stderr
}

func TestCommandThatOwnsProcessesIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned, goOn, stderr := started(t, true)
		time.Sleep(time.Hour)
		require.Empty(t, returned)
		close(goOn)
		require.Equal(t, exitFailed, <-returned)
		require.Empty(t, stderr)
	})
}

func TestCommandThatOwnsNothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		returned, goOn, stderr := started(t, false)
		require.Equal(t, exitCannotRun, <-returned)
		require.Equal(t, endGrace, time.Since(began))
		require.Equal(t, "drover: interrupted: hangup signal received\n", stderr.String())
		close(goOn)
	})
}

func TestCommandThatReturnsByItselfHasItsOwnStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned, goOn, stderr := started(t, false)
		close(goOn)
		require.Equal(t, exitFailed, <-returned)
		require.Empty(t, stderr)
	})
}

func TestComplaintIsOneLineOfBoundedLength(t *testing.T) {
	var b strings.Builder
	require.Equal(t, exitCannotRun, complain(&b, errors.New("a\nb\x1b"+strings.Repeat("c", 1<<20))))
	require.Equal(t, 1, strings.Count(b.String(), "\n"))
	require.True(t, strings.HasPrefix(b.String(), `drover: a\nb\x1bccc`), "%.40q", b.String())
	require.True(t, strings.HasSuffix(b.String(), "ccc… (1048580 bytes)\n"))
	require.Less(t, b.Len(), longestComplaint+100)
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range commands() {
		for _, args := range [][]string{{c.Name(), "-h"}, {c.Name(), "-help"}, {"help", c.Name()}} {
			var out, errs strings.Builder
			s := session{stdout: &out, stderr: &errs}
			require.Equal(t, exitOK, s.execute(t.Context(), args), args)
			require.Contains(t, out.String(), "usage: drover "+c.Name())
			require.Empty(t, errs.String())
			require.True(t, c.Hidden || c.Short != "" && c.Long != "", c.Name())
		}
	}
}

//go:build !unix

package qmp

import "os"

func duplicate(*os.File) (*os.File, error) { return nil, ErrNoFiles }

func (s *Session) writeFiles([]byte, []*os.File) error { return ErrNoFiles }

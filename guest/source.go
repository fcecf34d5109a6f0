package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/drover-vm/drover/internal/owned"
)

// sources are the guest's program and what it imports of this module.
//
//go:embed init wire
var sources embed.FS

// goMod is that of the module in which the program is built.
const goMod = "module github.com/drover-vm/drover\n\ngo 1.26\n"

// sourceFiles are the program's files by their paths in the module, without tests.
func sourceFiles() (map[string][]byte, error) {
	files := map[string][]byte{"go.mod": []byte(goMod)}
	err := fs.WalkDir(sources, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/") {
			return err
		}
		if ext := path.Ext(name); ext != ".go" && ext != ".s" && ext != ".h" {
			return nil
		}
		text, err := sources.ReadFile(name)
		files["guest/"+name] = text
		return err
	})
	return files, err
}

// sum is a name for what something is made of.
func sum(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// A ToolchainError says that the guest's program can't be built here.
type ToolchainError struct{ Err error }

func (e *ToolchainError) Error() string {
	return "a Linux guest's program is built where it is needed, and there is no Go toolchain here (" + e.Err.Error() + "): install Go 1.26 or newer from https://go.dev/dl or the distribution"
}

func (e *ToolchainError) Unwrap() error { return e.Err }

// goTool finds the go command: in PATH, or where it is mostly put.
func goTool() (string, error) {
	tool, err := exec.LookPath("go")
	if err == nil {
		return tool, nil
	}
	for _, root := range []string{os.Getenv("GOROOT"), "/usr/local/go", "/usr/lib/go"} {
		if root == "" {
			continue
		}
		if tool := filepath.Join(root, "bin", "go"); exists(tool) {
			return tool, nil
		}
	}
	return "", &ToolchainError{err}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// program returns the file of the guest's program for an architecture, which it builds where
// it isn't in the cache yet, and a name for its source.
func program(ctx context.Context, cache, goarch string) (file, name string, err error) {
	files, err := sourceFiles()
	if err != nil {
		return "", "", err
	}
	var parts []string
	for _, f := range sortedKeys(files) {
		parts = append(parts, f, string(files[f]))
	}
	name = sum(append(parts, goarch)...)
	file = filepath.Join(cache, "init-"+goarch+"-"+name)
	if cached(file) {
		return file, name, owned.Check(file)
	}
	tool, err := goTool()
	if err != nil {
		return "", "", err
	}
	module, err := os.MkdirTemp(cache, ".build-")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(module)
	for f, text := range files {
		at := filepath.Join(module, f)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return "", "", err
		}
		if err := os.WriteFile(at, text, 0o644); err != nil {
			return "", "", err
		}
	}
	built := filepath.Join(module, "built")
	cmd := exec.CommandContext(ctx, tool, "build", "-ldflags=-s -w", "-o", built, "./guest/init")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch, "GOFLAGS=-mod=mod", "GOWORK=off", "GO111MODULE=on")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", "", context.Cause(ctx)
		}
		return "", "", errors.Join(fmt.Errorf("guest: go build for %s: %w: %s", goarch, err, strings.TrimSpace(output.String())))
	}
	return file, name, os.Rename(built, file)
}

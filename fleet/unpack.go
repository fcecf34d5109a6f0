package fleet

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/drover-vm/drover/internal/ended"
)

// needless says which files of a package no QEMU reads: documents,
// translations, configuration that is compiled in under other paths, programs
// that aren't QEMU's. They are half of what there is.
func needless(name string) bool {
	for _, folder := range []string{
		"etc", "var", "sbin", "usr/sbin", "run",
		"usr/share/doc", "usr/share/doc-base", "usr/share/man", "usr/share/info", "usr/share/locale",
		"usr/share/i18n", "usr/share/lintian", "usr/share/bug", "usr/share/icons", "usr/share/applications",
		"usr/share/iso-codes", "usr/share/xml", "usr/share/perl5", "usr/share/perl", "usr/share/gdb", "usr/share/gcc",
		"usr/share/zoneinfo", "usr/share/bash-completion", "usr/share/pam-configs", "usr/share/metainfo",
		"usr/lib/systemd", "lib/systemd", "usr/lib/udev", "lib/udev", "usr/lib/locale",
	} {
		if name == folder || strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	folder, base := path.Split(name)
	switch folder {
	case "bin/", "usr/bin/":
		return !strings.HasPrefix(base, "qemu-")
	}
	return strings.Contains(name, "/gconv/")
}

// unpack unpacks a package file into a folder, through dpkg-deb, which reads
// the formats of packages, and without leaving the folder, whatever names the
// package holds. The error is a *damagedError where the file is what is wrong.
func (f Fleet) unpack(ctx context.Context, file string, root *os.Root) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	var output string
	exited := make(chan error, 1)
	go func() {
		var err error
		output, err = command{path: f.inPath("dpkg-deb"), args: []string{"--fsys-tarfile", file}, stdout: write}.run(ctx)
		write.Close()
		exited <- err
	}()
	err = untar(read, root)
	if err == nil {
		// Past the archive's end there is padding, which dpkg-deb must get rid of.
		_, err = io.Copy(io.Discard, read)
	}
	read.Close()
	if toolErr := <-exited; ctx.Err() != nil {
		return ended.By(ctx)
	} else if toolErr != nil && (err == nil || broken(err)) {
		err = fmt.Errorf("dpkg-deb: %w: %s", toolErr, aptLine(output))
		if exit, ok := errors.AsType[*exec.ExitError](toolErr); ok && exit.Exited() {
			return &damagedError{filepath.Base(file), err}
		}
		return fmt.Errorf("unpacking %s: %w", filepath.Base(file), err)
	}
	if broken(err) {
		return &damagedError{filepath.Base(file), err}
	}
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", filepath.Base(file), err)
	}
	return nil
}

// untar writes the files of an archive below a root, those that are needed.
func untar(r io.Reader, root *os.Root) error {
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(strings.TrimPrefix(header.Name, "/"))
		if name == "." || needless(name) {
			continue
		}
		if err := untarOne(archive, header, name, root); err != nil {
			return err
		}
	}
}

// untarOne writes one file. Owners, times, and the bits that make a program
// run as somebody else are left out.
func untarOne(archive *tar.Reader, header *tar.Header, name string, root *os.Root) error {
	if header.Typeflag == tar.TypeDir {
		return mkdirAll(root, name)
	}
	if err := mkdirAll(root, path.Dir(name)); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg:
		mode := os.FileMode(0o644)
		if header.Mode&0o111 != 0 {
			mode = 0o755
		}
		file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		if _, err := io.Copy(file, archive); err != nil {
			file.Close()
			return err
		}
		return file.Close()
	case tar.TypeSymlink:
		return root.Symlink(relativeLink(name, header.Linkname), name)
	case tar.TypeLink:
		return root.Link(path.Clean(strings.TrimPrefix(header.Linkname, "/")), name)
	}
	return nil // a device or a pipe: no QEMU has any
}

// mkdirAll makes a folder, or takes what is there for it: in one package lib
// may be a folder, in another a link to usr/lib.
func mkdirAll(root *os.Root, name string) error {
	if stat, err := root.Stat(name); err == nil && stat.IsDir() {
		return nil
	}
	return root.MkdirAll(name, 0o755)
}

// relativeLink returns the target of a link such that it stays in the copy:
// an absolute one is meant from the copy's own root.
func relativeLink(name, target string) string {
	if !path.IsAbs(target) {
		return target
	}
	relative, err := filepath.Rel(path.Dir("/"+name), target)
	if err != nil {
		return target // never with two absolute paths
	}
	return relative
}

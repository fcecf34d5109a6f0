package launcher

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/drover-vm/drover/internal/cachedir"
	"github.com/drover-vm/drover/internal/flock"
	"github.com/drover-vm/drover/internal/owned"
)

// accelFormat changes with how it is measured; answers of another format are
// not believed.
const accelFormat = 2

// An accelKey is what a choice belongs to.
type accelKey struct {
	Format  int       `json:"format"`
	Host    string    `json:"host"` // its machine-id: a home may be shared
	Boot    string    `json:"boot"`
	Kernel  string    `json:"kernel"`
	Arch    string    `json:"arch"`
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
	Version string    `json:"version"` // a wrapper may start another QEMU tomorrow
}

// An accelCache is the file that keeps the choice for one binary on one host.
// Whatever is wrong with it only means that it is measured again; one that another
// user could have written isn't read.
type accelCache struct {
	file string // "" = there is no place for one
	key  accelKey
}

// maxAccelEntry is more than an entry has, in bytes.
const maxAccelEntry = 64 << 10

type accelEntry struct {
	Key    accelKey `json:"key"`
	Choice Choice   `json:"choice"`
}

func accelCacheOf(path, arch string) accelCache {
	folder, err := cachedir.Folder(os.Getenv)
	if err != nil {
		return accelCache{}
	}
	stat, err := os.Stat(path)
	if err != nil {
		return accelCache{}
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	key := accelKey{
		Format: accelFormat, Host: firstLine("/etc/machine-id"), Boot: firstLine("/proc/sys/kernel/random/boot_id"),
		Kernel: firstLine("/proc/sys/kernel/osrelease"), Arch: arch,
		Path: path, Size: stat.Size(), Changed: stat.ModTime().UTC(),
	}
	sum := sha256.Sum256([]byte(key.Host + "\x00" + arch + "\x00" + path))
	return accelCache{filepath.Join(folder, "accel", fmt.Sprintf("%s-%x.json", filepath.Base(path), sum[:8])), key}
}

func firstLine(file string) string {
	text, _ := os.ReadFile(file) // what can't be read doesn't tell hosts apart
	return strings.TrimSpace(string(text))
}

// once returns the choice that is kept, or makes it and keeps it. One process
// at a time makes it, and the others take it over.
func (c accelCache) once(ctx context.Context, choose func(context.Context) (Choice, error)) (Choice, error) {
	if choice, ok := c.read(); ok {
		return choice, nil
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return Choice{}, err
	}
	defer unlock()
	if choice, ok := c.read(); ok {
		return choice, nil
	}
	choice, err := choose(ctx)
	if err == nil {
		c.write(choice)
	}
	return choice, err
}

func (c accelCache) read() (Choice, bool) {
	if c.file == "" {
		return Choice{}, false
	}
	data, err := owned.ReadFile(c.file, maxAccelEntry)
	if err != nil {
		return Choice{}, false
	}
	var entry accelEntry
	ok := json.Unmarshal(data, &entry) == nil && entry.Key == c.key && entry.Choice.Why != "" &&
		(entry.Choice.Accel == tcg || entry.Choice.Accel == kvm)
	return entry.Choice, ok
}

// write keeps a choice, in one step.
func (c accelCache) write(choice Choice) {
	if c.file == "" {
		return
	}
	if data, err := json.Marshal(accelEntry{c.key, choice}); err == nil {
		_ = owned.WriteFile(c.file, append(data, '\n'))
	}
}

// lock keeps others from measuring at the same time. Where there is no place
// for a lock, or the file system has none, it does nothing. The kernel gives it back
// however we end.
func (c accelCache) lock(ctx context.Context) (unlock func(), err error) {
	if c.file == "" || owned.MkdirAll(filepath.Dir(c.file), 0o700) != nil {
		return func() {}, nil
	}
	file, err := flock.Open(c.file + ".lock")
	if err != nil {
		return func() {}, nil
	}
	if err := flock.Lock(ctx, file, nil); err != nil && ctx.Err() != nil {
		_ = file.Close()
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}

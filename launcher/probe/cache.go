package probe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/drover-vm/drover/internal/cachedir"
	"github.com/drover-vm/drover/internal/owned"
)

// cacheFormat changes with what is asked; answers of another format are asked
// for again.
const cacheFormat = 1

// A cache is the file with one binary's answers. Whatever is wrong with it,
// or with the folder, only means that the binary is asked again: also that another
// user could have written it.
type cache struct {
	path   string // of the binary
	file   string // "" = there is no place for one
	key    cacheKey
	script bool
}

// A cacheKey is what the answers belong to.
type cacheKey struct {
	Format  int       `json:"format"`
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
}

type cacheEntry struct {
	Key  cacheKey `json:"key"`
	Info Info     `json:"info"`
}

// cacheOf returns a binary's cache of the answers to some questions.
func cacheOf(path, questions string) cache {
	folder, err := cachedir.Folder(os.Getenv)
	if err != nil {
		return cache{path: path}
	}
	stat, err := os.Stat(path)
	if err != nil {
		return cache{path: path}
	}
	name := fmt.Sprintf("%s-%s-%x.json", filepath.Base(path), questions, sha256.Sum256([]byte(path)))
	return cache{
		path:   path,
		file:   filepath.Join(folder, "probe", name),
		key:    cacheKey{cacheFormat, path, stat.Size(), stat.ModTime().UTC()},
		script: startsWith(path, "#!"),
	}
}

func startsWith(path, text string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	start := make([]byte, len(text))
	_, err = io.ReadFull(file, start)
	return err == nil && bytes.Equal(start, []byte(text))
}

// first returns the answers if they still hold; what else has to be asked begins with
// the version otherwise, which a script is asked for in any case, and once.
func (c cache) first(ctx context.Context) (info Info, whole bool, err error) {
	kept, ok := c.read()
	if ok && !c.script {
		return kept, true, nil
	}
	version, err := identify(ctx, c.path)
	if err != nil {
		return Info{}, false, err
	}
	if ok && version == kept.Version {
		return kept, true, nil
	}
	return Info{Path: c.path, Version: version}, false, nil
}

// read returns the answers of the binary that had this path, size and time of change.
func (c cache) read() (Info, bool) {
	if c.file == "" {
		return Info{}, false
	}
	data, err := owned.ReadFile(c.file, maxOutput)
	if err != nil {
		return Info{}, false
	}
	var entry cacheEntry
	if json.Unmarshal(data, &entry) != nil || entry.Key != c.key || entry.Info.Path != c.key.Path {
		return Info{}, false
	}
	return entry.Info, true
}

// write keeps the answers, in one step.
func (c cache) write(info Info) {
	if c.file == "" {
		return
	}
	if data, err := json.Marshal(cacheEntry{c.key, info}); err == nil {
		_ = owned.WriteFile(c.file, data)
	}
}

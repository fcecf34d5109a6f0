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
		return cache{}
	}
	stat, err := os.Stat(path)
	if err != nil {
		return cache{}
	}
	name := fmt.Sprintf("%s-%s-%x.json", filepath.Base(path), questions, sha256.Sum256([]byte(path)))
	return cache{
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

// read returns the answers if they still hold.
func (c cache) read(ctx context.Context) (Info, bool) {
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
	if c.script {
		version, err := identify(ctx, c.key.Path)
		if err != nil || version != entry.Info.Version {
			return Info{}, false
		}
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

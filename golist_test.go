package drover_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A goPackage is what go list says of a package.
type goPackage struct {
	ImportPath, Name, Dir, Export string
	Standard                      bool
	Imports                       []string
	GoFiles                       []string
	all                           map[string]*goPackage
}

// folder is the package's place in this repository.
func (p *goPackage) folder() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

var list = sync.OnceValues(func() (map[string]*goPackage, error) {
	out, err := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Name,Dir,Export,Standard,Imports,GoFiles", "./...").Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, errors.New("go list: " + string(failed.Stderr))
	}
	all := map[string]*goPackage{}
	for d := json.NewDecoder(strings.NewReader(string(out))); err == nil; {
		p := &goPackage{all: all}
		if err = d.Decode(p); err == nil {
			all[p.ImportPath] = p
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return all, err
})

func packages(t *testing.T) map[string]*goPackage {
	t.Helper()
	all, err := list()
	require.NoError(t, err)
	return all
}

// ours are the packages of this module, in order.
func ours(t *testing.T) []*goPackage {
	t.Helper()
	all := packages(t)
	var found []*goPackage
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(path, module+"/") {
			found = append(found, all[path])
		}
	}
	require.NotEmpty(t, found)
	return found
}

// mustMatch gives the packages that a rule is about. There has to be one: a rule
// about a room that has been renamed would hold for ever.
func mustMatch(t *testing.T, room string) []*goPackage {
	t.Helper()
	var found []*goPackage
	for _, p := range ours(t) {
		if matches(room, p.ImportPath) {
			found = append(found, p)
		}
	}
	require.NotEmpty(t, found, "there is no room %s: change the map or this test", room)
	return found
}

// matches says whether an import path is what a rule names: a folder of this
// module or an import path, with /... for everything below it as well.
func matches(pattern, path string) bool {
	prefix, below := strings.CutSuffix(pattern, "/...")
	for _, p := range []string{prefix, module + "/" + prefix} {
		if path == p || below && strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// reach is every package that is built into p, itself not counted, with the one
// that imports it on a shortest way.
func reach(p *goPackage) map[string]string {
	from := map[string]string{}
	for queue := []*goPackage{p}; len(queue) > 0; queue = queue[1:] {
		for _, imported := range queue[0].Imports {
			next := p.all[imported]
			if _, seen := from[imported]; seen || next == nil || imported == p.ImportPath {
				continue
			}
			from[imported] = queue[0].ImportPath
			queue = append(queue, next)
		}
	}
	return from
}

// way is how p reaches a package, one import after the other.
func way(p *goPackage, to string) []string {
	from := reach(p)
	steps := []string{to}
	for steps[0] != p.ImportPath {
		steps = slices.Insert(steps, 0, from[steps[0]])
	}
	return steps
}

package migration

import (
	"os"
	"path/filepath"

	"github.com/drover-vm/drover/launcher"
)

// ScenarioFile is the name under which the scenario, as it was run, lies among a run's
// artifacts.
const ScenarioFile = "run.scenario"

// folders makes the folder for artifacts, and one with a path short enough for
// a socket's.
func (r *run) folders() (err error) {
	if r.private, err = launcher.NewPrivateFolder(); err != nil {
		return err
	}
	r.artifacts, err = launcher.NewArtifactFolder(r.options.Artifacts, r.options.Arch+"-"+r.scenario.Name)
	if err != nil {
		r.removeSockets()
		return err
	}
	r.dir = r.artifacts.Path()
	return nil
}

// keepLogs renames what a side has written, for another of the same name.
func (r *run) keepLogs(side, as string) error {
	old, err := filepath.Glob(filepath.Join(r.dir, side+".*"))
	if err != nil {
		return err
	}
	for _, path := range old {
		name := as + "-" + filepath.Base(path)
		if err := os.Rename(path, filepath.Join(r.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// removeSockets takes the private folder away.
func (r *run) removeSockets() { _ = r.private.Remove() }

// Path is that of a file in the run's private folder, which is removed at the end. It is
// short enough for a socket's.
func (p *Pair) Path(name string) string { return filepath.Join(p.run.private.Path(), name) }

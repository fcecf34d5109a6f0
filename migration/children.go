package migration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// childrenLeft says which processes that a QEMU has started are still there, once they
// have had time to end. The launcher ends them with their QEMU, so nobody else would see
// them.
func (p *Pair) childrenLeft(ctx context.Context) (left []string) {
	wait, cancel := p.run.atMost(ctx, releasePatience)
	defer cancel()
	_ = poll(wait, "what the QEMUs have started to end", func() (bool, error) {
		left = p.children()
		return len(left) == 0, nil
	})
	return left
}

// children names the processes that live and that one of the sides has started.
func (p *Pair) children() (all []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	for _, path := range stats {
		name, parent := parentOf(path)
		for _, s := range p.Sides() {
			if parent == s.PID() {
				all = append(all, fmt.Sprintf("process %s (%s), which the %s had started", filepath.Base(filepath.Dir(path)), name, s.Name()))
			}
		}
	}
	return all
}

// parentOf reads /proc/PID/stat (proc(5)): the name in parentheses, which may hold
// anything, then the state and the parent, 0 for a process that has ended.
func parentOf(path string) (name string, parent int) {
	text, _ := os.ReadFile(path) // it may have ended since
	_, rest, _ := strings.Cut(string(text), " (")
	behind := strings.LastIndex(rest, ") ")
	if behind < 0 {
		return "", 0
	}
	if state, more, _ := strings.Cut(rest[behind+2:], " "); state != "Z" {
		number, _, _ := strings.Cut(more, " ")
		parent, _ = strconv.Atoi(number)
	}
	return rest[:behind], parent
}

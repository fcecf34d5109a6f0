package procfs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Child is a process that another has started and that has not ended.
type Child struct {
	PID  string
	Name string
}

// ChildrenOf names the processes that live and that one has started.
func ChildrenOf(pid int) (all []Child) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	for _, path := range stats {
		if name, parent := parentOf(path); parent == pid {
			all = append(all, Child{filepath.Base(filepath.Dir(path)), name})
		}
	}
	return all
}

// parentOf reads /proc/PID/stat: the name in parentheses, which may hold anything, then
// the state and the parent, 0 for a process that has ended.
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

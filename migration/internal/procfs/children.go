package procfs

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A Child is a process that another has started and that has not ended.
type Child struct {
	PID, Parent int
	Name        string
}

// ChildrenOf names the processes that live and that one of some has started. It looks at every
// process there is.
func ChildrenOf(pids ...int) (all []Child) {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if name, parent := parentOf(pid); slices.Contains(pids, parent) {
			all = append(all, Child{PID: pid, Parent: parent, Name: name})
		}
	}
	return all
}

// parentOf reads /proc/PID/stat: the name in parentheses, which may hold anything, then
// the state and the parent, 0 for a process that has ended.
func parentOf(pid int) (name string, parent int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may have ended since
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

// Package near finds the names that somebody may have meant.
package near

import (
	"cmp"
	"slices"
	"strings"
)

// Longest is the length in bytes of the longest word and the longest candidate that are
// compared. Nobody mistypes more, and the time to compare grows with both.
const Longest = 100

// Names returns up to three of the candidates, the nearest first: those that
// contain the word, and those that few single-letter changes turn into it. There are
// none for a word longer than [Longest].
func Names(word string, candidates []string) []string {
	type scored struct {
		name string
		cost int
	}
	names := []string{}
	if len(word) > Longest {
		return names
	}
	var found []scored
	for _, name := range candidates {
		if len(name) > Longest {
			continue
		}
		cost := distance(strings.ToLower(word), strings.ToLower(name))
		if word != "" && strings.Contains(strings.ToLower(name), strings.ToLower(word)) {
			cost = min(cost, 2)
		}
		if cost <= max(2, len(word)/3) {
			found = append(found, scored{name, cost})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(a.cost, b.cost) })
	for _, s := range found[:min(len(found), 3)] {
		names = append(names, s.name)
	}
	return names
}

// distance is the number of letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

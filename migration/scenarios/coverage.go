package scenarios

import _ "embed"

//go:embed coverage.txt
var coverage string

// Coverage returns the text that says which scenarios and checks watch what QEMU offers, as
// package coverage reads it.
func Coverage() string { return coverage }

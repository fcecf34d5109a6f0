package asm

import "encoding/binary"

// An architecture is what the assembler has to know of one.
type architecture struct {
	name    string
	comment string // what begins one that ends with its line
	order   binary.ByteOrder

	// instruction reads the operands of a statement and adds what it comes to.
	instruction func(a *assembler, l *line, mnemonic string) error

	// ignored are directives that mean something to GNU as only, each with the words that
	// it may have.
	ignored map[string][]string

	// relaxes says that how far labels are apart is known to a linker only, and to GNU as not.
	relaxes bool
}

// architectures are all that there are: to add one is to add its table to these.
func architectures() []*architecture {
	return []*architecture{x86(), aarch64(), ppc64(), riscv64(), s390x()}
}

// Architectures are the names of the architectures that AssembleFor knows.
func Architectures() (names []string) {
	for _, arch := range architectures() {
		names = append(names, arch.name)
	}
	return names
}

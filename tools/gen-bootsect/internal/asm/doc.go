// Package asm assembles the boot programs: a small part of x86, 16 and 32 bits,
// in the AT&T syntax that GNU as reads, so that a machine without an assembler
// makes the same bytes as one that has it.
//
// # The language
//
// One statement a line, labels before it, # and /* */ for comments. Every
// source that is accepted here means the same to GNU as (as --32), byte for byte;
// what isn't known is an error that names its line, never a guess. To keep that
// promise where GNU's rules surprise, some things it allows are refused, with
// the way out in the message: operators whose precedence differs from C's need
// parentheses, padding must say what it pads with, and a constant that decides
// between a short and a long encoding must be defined before it is used.
//
//	.code16 .code32            how wide operands and addresses are by default
//	.text .globl NAME          accepted; there is one section
//	.org ADDRESS [, FILL]      pad up to an address
//	.fill COUNT [, SIZE [, VALUE]]   .skip COUNT [, FILL]   .balign POWER, FILL
//	.byte .word .long .quad    numbers of 1, 2, 4, 8 bytes, little-endian
//	.ascii .asciz "text"
//	.set NAME, EXPRESSION      or .equ, or NAME = EXPRESSION
//
// Instructions are those of the table in table.go. Addresses count from 0 at
// the top of the source, so a boot block begins with .org 0x7c00; a leading .org
// is where the [Image] begins, and no bytes are made for what it skips.
package asm

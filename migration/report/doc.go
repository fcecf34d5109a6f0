// Package report turns what runs found into what a person or a program reads.
// It knows recorded facts only, never a live VM.
package report

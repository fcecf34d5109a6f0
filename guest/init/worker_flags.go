//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flagsWorker looks at what the vCPUs can do, by the kernel's account and by the instruction
// that tells it, where there is one: none of it changes while a guest runs.
type flagsWorker struct{}

func (flagsWorker) Name() string { return "flags" }

const flagsEvery = 400 * time.Millisecond

func (flagsWorker) Run(ctx context.Context, w *Witness) error {
	vcpus := vcpusOnline()
	kernels, err := readCPUInfo()
	if err != nil {
		return err
	}
	told := make([]map[string]string, len(vcpus))
	for i, n := range vcpus {
		if told[i], err = identify(n); err != nil {
			return err
		}
	}
	for i := 0; ctx.Err() == nil; i = (i + 1) % len(vcpus) { // one vCPU after the other, for each look costs
		now, err := readCPUInfo()
		if err != nil {
			return err
		}
		for _, text := range changes(kernels, now) {
			w.Complain("by /proc/cpuinfo %s", text)
		}
		kernels = now
		its, err := identify(vcpus[i])
		if err != nil {
			return err
		}
		for _, text := range changes(described{of(vcpus[i]): told[i]}, described{of(vcpus[i]): its}) {
			w.Complain("by CPUID %s", text)
		}
		told[i] = its
		w.Add("looks", 1)
		w.Set("properties", uint64(count(kernels)+len(its)*len(vcpus)))
		w.Round()
		rest(ctx, flagsEvery)
	}
	return nil
}

// described are the properties of each vCPU, by whose they are and their names.
type described map[string]map[string]string

func of(vcpu int) string { return "of vCPU " + strconv.Itoa(vcpu) }

// count is how many properties there are.
func count(d described) (n int) {
	for _, of := range d {
		n += len(of)
	}
	return n
}

func readCPUInfo() (described, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	return cpuInfo(string(text)), err
}

// cpuInfo reads what the kernel says of each vCPU. What is measured, and may be another value
// each time, is left out; what stands before the first is said of all.
func cpuInfo(text string) described {
	all, vcpu := described{}, "of all vCPUs"
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		lower := strings.ToLower(name)
		first, last, numbered := strings.Cut(name, " ")
		switch {
		case !ok:
			continue
		case name == "processor":
			vcpu = "of vCPU " + value
			continue
		case numbered && first == "processor" && last != "": // s390x: processor 0: version = FF, ...
		case strings.Contains(lower, "mhz"), strings.Contains(lower, "bogomips"), name == "clock", name == "timebase":
			continue
		}
		if all[vcpu] == nil {
			all[vcpu] = map[string]string{}
		}
		all[vcpu][name] = value
	}
	return all
}

// changes says what is another than before. Where a property is a list of words, they are those
// that are lost and those that are new.
func changes(before, after described) (all []string) {
	for _, vcpu := range keys(before, after) {
		for _, name := range keys(before[vcpu], after[vcpu]) {
			was, had := before[vcpu][name]
			is, has := after[vcpu][name]
			if was == is && had == has {
				continue
			}
			lost, gained := without(was, is), without(is, was)
			if !isList(name) || len(lost)+len(gained) == 0 {
				all = append(all, fmt.Sprintf("the %s %s changed: expected %q, found %q", name, vcpu, was, is))
				continue
			}
			all = append(all, fmt.Sprintf("the %s %s changed: lost are %s, and new are %s", name, vcpu, listed(lost), listed(gained)))
		}
	}
	return all
}

func isList(name string) bool {
	return strings.HasPrefix(name, "bits ") || slices.Contains([]string{"flags", "Features", "features", "bugs", "isa", "facilities"}, name)
}

func keys[V any](maps ...map[string]V) (all []string) {
	for _, m := range maps {
		for k := range m {
			if !slices.Contains(all, k) {
				all = append(all, k)
			}
		}
	}
	slices.Sort(all)
	return all
}

// without are the words of a text that another has not.
func without(text, other string) (words []string) {
	others := strings.Fields(other)
	for word := range strings.FieldsSeq(text) {
		if !slices.Contains(others, word) {
			words = append(words, word)
		}
	}
	return words
}

func listed(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

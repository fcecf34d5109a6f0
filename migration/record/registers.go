package record

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// RegisterFacts compare the vCPUs of source and destination, both stopped.
type RegisterFacts struct {
	Compared  int      // what both sides print
	Different []string `json:",omitempty"` // a sentence each
}

// CompareRegisters holds what two human monitors print of their vCPUs against
// each other, by name: versions may print more than others, and print the same with
// other blanks in it (up to 5.2 XMM00=0000000000000000, in one word).
func CompareRegisters(source, destination string) *RegisterFacts {
	facts := &RegisterFacts{}
	here, there := registers(source), registers(destination)
	for _, name := range slices.Sorted(maps.Keys(here)) {
		other, both := there[name]
		if !both {
			continue
		}
		facts.Compared++
		if here[name] != other {
			facts.Different = append(facts.Different, fmt.Sprintf("the source has %s=%s, the destination %s", name, here[name], other))
		}
	}
	return facts
}

// namedRegister finds NAME= and NAME =, which is how most targets print.
var namedRegister = regexp.MustCompile(`(\w+) *=`)

// lazyConditionCode is what s390x prints behind the PSW: how TCG would compute the condition
// code that the PSW's mask has. That is no register, and of one value there are several.
var lazyConditionCode = regexp.MustCompile(` cc +\w+\s*$`)

// countsOn says whether it is a register of riscv64's that counts on while the guest is
// paused: QEMU prints them since 11.0, and takes them from the host's clock.
func countsOn(name string) bool {
	return slices.Contains([]string{"cycle", "instret", "mcycle", "minstret", "time"}, name)
}

// registers are the values by name. A name that comes again, as a segment's DPL does,
// has its number behind it; in a line without names the first word is one.
func registers(printed string) map[string]string {
	found, times, cpu := map[string]string{}, map[string]int{}, ""
	add := func(name, value string) {
		name = cpu + name
		if times[name]++; times[name] > 1 {
			name = fmt.Sprintf("%s.%d", name, times[name])
		}
		found[name] = strings.Join(strings.Fields(lazyConditionCode.ReplaceAllString(value, "")), "")
	}
	for line := range strings.Lines(printed) {
		words := strings.Fields(line)
		names := namedRegister.FindAllStringSubmatchIndex(line, -1)
		switch {
		case len(words) == 0:
		case strings.HasPrefix(words[0], "CPU#"):
			cpu = words[0] + " "
		case len(names) == 0 && countsOn(words[0]):
		case len(names) == 0:
			add(words[0], strings.Join(words[1:], ""))
		}
		for i, at := range names {
			end := len(line)
			if i+1 < len(names) {
				end = names[i+1][0]
			}
			add(line[at[2]:at[3]], line[at[1]:end])
		}
	}
	return found
}

// mostRegisters is more than any machine's vCPUs have.
const mostRegisters = 1 << 24

func judgeRegisters(r *Record) (Outcome, string) {
	f := r.Registers
	switch {
	case f == nil:
		return unknown("any register")
	case f.Compared == 0:
		return fail("there is no register that both sides print")
	case len(f.Different) > 0:
		return fail("%d of %d registers of the vCPUs differ; the first: %s", len(f.Different), f.Compared, f.Different[0])
	case f.Compared < int(fewestRegisters.Value) || f.Compared > mostRegisters:
		return unsure("%d registers of the vCPUs were compared, expected at least %.0f", f.Compared, fewestRegisters.Value)
	}
	return pass("%d registers of the vCPUs are the same on both sides", f.Compared)
}

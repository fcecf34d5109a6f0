package preflight

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A CPU is the first vCPU of a machine that was started, so with what the machine
// type and the accelerator make of its model. No stream carries it.
type CPU struct {
	Model string // as -cpu takes it, such as "Haswell"
	// Unsafe says that QEMU itself calls the model not safe to migrate: what it has
	// depends on the QEMU, the accelerator and the host.
	Unsafe   bool     `json:",omitempty"`
	Features []string // that the guest finds, by QEMU's names, sorted; nil where QEMU does not report them
}

// FeatureNames reads the names that a QEMU has for features of its CPUs, sorted, from
// its reply to query-cpu-model-expansion: the properties of the model that are true
// or false.
func FeatureNames(reply []byte) ([]string, error) {
	var expanded struct {
		Model struct {
			Props map[string]any `json:"props"`
		} `json:"model"`
	}
	if err := json.Unmarshal(reply, &expanded); err != nil {
		return nil, fmt.Errorf("preflight: query-cpu-model-expansion: %w", err)
	}
	maps.DeleteFunc(expanded.Model.Props, func(_ string, value any) bool {
		_, isBool := value.(bool)
		return !isBool
	})
	return slices.Sorted(maps.Keys(expanded.Model.Props)), nil
}

// IsFeature says whether a CPU object's property that is true or false stands for
// something that the guest finds, where QEMU has no list of those: it is none that
// every device has, and none that only sets how QEMU itself behaves.
func IsFeature(property string) bool {
	return !slices.Contains([]string{"realized", "hotplugged", "hotpluggable", "start-powered-off"}, property) &&
		!strings.HasPrefix(property, "x-") && !strings.HasSuffix(property, "-migration")
}

// cpuRules are about what the guest finds in its vCPUs.
func cpuRules() []rule {
	return []rule{
		{cpuRule + "features", func(p pair, report reporter) {
			missing, more := p.features()
			if len(missing) > 0 {
				report(p.source.CPU.Model, IfUsed, "the source's CPU has %s, which the destination's has not: a guest that uses %s dies or computes wrongly", missing, missing.pronoun())
			}
			if len(more) > 0 {
				report(p.source.CPU.Model, Harmless, "the destination's CPU has %s, which the source's has not: a guest that looks again finds %s", more, more.pronoun())
			}
		}},
		{cpuRule + "model", func(p pair, report reporter) {
			s, d := p.source.CPU, p.destination.CPU
			if s == nil || d == nil {
				return
			}
			if s.Model != d.Model {
				report(s.Model, IfUsed, "the source's CPU is a %s, and the destination's a %s", s.Model, d.Model)
			}
			missing, more := p.features()
			if s.Unsafe && len(missing)+len(more) > 0 {
				report(s.Model, IfUsed, "QEMU says that the CPU model %s is not safe to migrate: what it has depends on the QEMU and on the host", s.Model)
			}
		}},
	}
}

// features are those that only the source's CPU has, and those that only the
// destination's has; none where one of the QEMUs does not report them.
func (p pair) features() (missing, more list) {
	s, d := p.source.CPU, p.destination.CPU
	if s == nil || d == nil || s.Features == nil || d.Features == nil {
		return nil, nil
	}
	without := func(all, others []string) (left list) {
		for _, name := range all {
			if !slices.Contains(others, name) {
				left = append(left, name)
			}
		}
		return left
	}
	return without(s.Features, d.Features), without(d.Features, s.Features)
}

// A list is names of which a sentence says the first ones: "avx, avx2, f16c, fma (and
// 5 more)". The difference has them all.
type list []string

func (l list) String() string {
	const named = 4
	if more := len(l) - named; more > 0 {
		return fmt.Sprintf("%s (and %d more)", strings.Join(l[:named], ", "), more)
	}
	return strings.Join(l, ", ")
}

func (l list) pronoun() string {
	if len(l) == 1 {
		return "it"
	}
	return "them"
}

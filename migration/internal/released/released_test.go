package released_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/internal/released"
	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/protocol/qmp"
)

// hpet is a type as 10.0 declares it, in short.
func hpet() preflight.State {
	return preflight.State{
		Name: "hpet", Version: 2, Minimum: 1,
		Fields: []preflight.Conditional{
			{Name: "config"},
			{Name: "num_timers", Since: 2},
			{Name: "timer", Fields: []preflight.Conditional{{Name: "cmp"}, {Name: "unused"}, {Name: "unused"}}},
		},
		Subsections: []preflight.State{{Name: "hpet/offset", Version: 1, Minimum: 1, Fields: []preflight.Conditional{{Name: "hpet_offset"}}}},
	}
}

func TestWhatATypeHasLostIsNamed(t *testing.T) {
	r := &released.Release{Types: map[string]preflight.State{"hpet": hpet(), "fdc": {Name: "fdc"}}}
	for want, change := range map[string]func(s *preflight.State){
		"the field config of the type hpet":                                                  func(s *preflight.State) { s.Fields = s.Fields[1:] },
		"the field timer/cmp of the type hpet":                                               func(s *preflight.State) { s.Fields[2].Fields = s.Fields[2].Fields[1:] },
		"the field timer/unused of the type hpet":                                            func(s *preflight.State) { s.Fields[2].Fields = s.Fields[2].Fields[:2] },
		"the field num_timers (from version 2 on) of the type hpet":                          func(s *preflight.State) { s.Fields[1].Since = 3 },
		"the subsection hpet/offset of the type hpet":                                        func(s *preflight.State) { s.Subsections = nil },
		"the field hpet_offset of the subsection hpet/offset of the type hpet":               func(s *preflight.State) { s.Subsections[0].Fields = nil },
		"version 2 of the type hpet, which is at 1":                                          func(s *preflight.State) { s.Version = 1 },
		"version 1 of the type hpet, which is taken from 2 on":                               func(s *preflight.State) { s.Minimum = 2 },
		"the name hpet of the type hpet, which is called timer":                              func(s *preflight.State) { s.Name = "timer" },
		"version 1 of the subsection hpet/offset of the type hpet, which is taken from 2 on": func(s *preflight.State) { s.Subsections[0].Minimum = 2 },
	} {
		changed := hpet()
		change(&changed)
		require.Equal(t, []string{want}, r.LostTypes(map[string]preflight.State{"hpet": changed}))
	}
	more := hpet()
	more.Fields = append(more.Fields, preflight.Conditional{Name: "new"})
	more.Subsections = append(more.Subsections, preflight.State{Name: "hpet/new"})
	require.Empty(t, r.LostTypes(map[string]preflight.State{"hpet": more, "new": {}}), "what is new is lost to nobody, and neither is a type that was not built in")
}

func TestWhatAStreamLacksIsNamed(t *testing.T) {
	r := &released.Release{Sections: map[string][]released.Section{"exact/devices": {
		{Name: "serial", Version: 3, Fields: []string{"state/rbr 1", "serial/recv_fifo/num 1"}},
		{Name: "dma", Version: 1, Instance: 1, Fields: []string{"regs 8", "regs 8"}},
	}}}
	good := r.Sections["exact/devices"]
	for want, change := range map[string]func(s []released.Section) []released.Section{
		"the section dma (instance 1)":                                   func(s []released.Section) []released.Section { return s[:1] },
		"the field serial/recv_fifo/num of the section serial (1 bytes)": func(s []released.Section) []released.Section { s[0].Fields = s[0].Fields[:1]; return s },
		"the field regs of the section dma (instance 1) (8 bytes)":       func(s []released.Section) []released.Section { s[1].Fields = []string{"regs 8", "regs 4"}; return s },
		"version 3 of the section serial, which is sent at 2":            func(s []released.Section) []released.Section { s[0].Version = 2; return s },
	} {
		require.Equal(t, []string{want}, r.LostSections("exact/devices", change(slices.Clone(good))))
	}
	require.Empty(t, r.LostSections("exact/devices", good))
	require.Empty(t, r.LostSections("mine", nil), "nothing is recorded of one's own scenarios")
}

func TestCommonIsWhatBothStreamsHave(t *testing.T) {
	require.Equal(t, []released.Section{{Name: "serial", Fields: []string{"a 1"}}}, released.Common(
		[]released.Section{{Name: "serial", Fields: []string{"a 1", "fifo 3"}}, {Name: "fdc"}, {Name: "cpu", Version: 2}},
		[]released.Section{{Name: "serial", Fields: []string{"a 1", "fifo 4"}}, {Name: "cpu", Version: 3}}))
}

func TestWhatIsPackedIsReadAgain(t *testing.T) {
	for _, arch := range []string{"x86_64", "i386", "aarch64", "riscv64", "s390x", "ppc64"} {
		all, err := released.All(arch)
		require.NoError(t, err)
		require.NotEmpty(t, all)
		for minor, r := range all {
			require.NotEmpty(t, r.Types, "%s %s", arch, minor)
			require.NotEmpty(t, r.Sections["exact/devices"], "%s %s", arch, minor)
		}
	}
}

// TestOlderPatchLevelIsNotHeldAgainstALaterOne: a stable release may send more than those
// before it.
func TestOlderPatchLevelIsNotHeldAgainstALaterOne(t *testing.T) {
	all, err := released.All("x86_64")
	require.NoError(t, err)
	recorded := all["10.0"].Version
	for _, v := range []struct {
		qmp.Version
		known bool
	}{
		{recorded, true},
		{qmp.Version{Major: 10, Micro: recorded.Micro + 1}, true},
		{qmp.Version{Major: 10, Micro: recorded.Micro - 1}, false},
		{qmp.Version{Major: 10, Minor: 7}, false},
	} {
		r, err := released.Of("x86_64", v.Version)
		require.NoError(t, err)
		require.Equal(t, v.known, r != nil, "%s", v)
	}
	r, err := released.Of("vax", recorded)
	require.NoError(t, err)
	require.Nil(t, r)
}

package migration

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drover-vm/drover/fixtures"
	"github.com/drover-vm/drover/guest"
	"github.com/drover-vm/drover/internal/near"
)

// A Verb is what a line of a scenario file can say: a step, or something of how the
// scenario is.
type Verb struct {
	Name    string // one to three words: "await passes"
	Args    string // what is behind it, for people: "NUMBER"
	Doc     string // one sentence
	Example string // one whole line
	// Sides are those that may be before it as a prefix, the one that is meant where none
	// does first; nil where the verb takes no prefix.
	Sides []string

	// One of these is set. Step makes the step that the line describes. Declare says how
	// the scenario is: such a line is before all steps, or behind them where it is Last.
	Step    func(a *Args) Step
	Declare func(a *Args, s *Scenario)
	Last    bool
}

// BothName is the prefix of a line that goes for both sides.
const BothName = "both"

// Sides that a verb may take as prefixes.
var (
	OnSource      = []string{SourceName, DestinationName, BothName} // the source by default
	OnDestination = []string{DestinationName, SourceName, BothName} // the destination
	OnBothSides   = []string{BothName, SourceName, DestinationName} // both
)

// A Vocabulary is what scenario files can say.
type Vocabulary []Verb

// mostWords is how many words the longest verb has.
const mostWords = 3

// find returns the verb that a line begins with, and how many words it is.
func (v Vocabulary) find(words []word) (Verb, int, bool) {
	for n := min(mostWords, len(words)); n > 0; n-- {
		name := joined(words[:n])
		if i := slices.IndexFunc(v, func(verb Verb) bool { return verb.Name == name }); i >= 0 {
			return v[i], n, true
		}
	}
	return Verb{}, 0, false
}

// Matching are the verbs that have the part in their name, or, where there are none, in
// their documentation; all of them for "".
func (v Vocabulary) Matching(part string) (found Vocabulary) {
	for _, verb := range v {
		if strings.Contains(verb.Name, part) {
			found = append(found, verb)
		}
	}
	if found != nil {
		return found
	}
	for _, verb := range v {
		if strings.Contains(verb.Doc+" "+verb.Args+" "+verb.Example, part) {
			found = append(found, verb)
		}
	}
	return found
}

// unknown says that a line begins with no verb, and which may have been meant.
func (v Vocabulary) unknown(words []word) string {
	first := words[0].text
	var names, under []string
	for _, verb := range v {
		names = append(names, verb.Name)
		if strings.HasPrefix(verb.Name, first+" ") {
			under = append(under, verb.Name)
		}
	}
	tried := joined(words[:min(2, len(words))])
	offers := near.Names(tried, names)
	if len(offers) == 0 {
		offers = near.Names(first, names)
	}
	if len(offers) == 0 {
		offers = under
	}
	text := fmt.Sprintf("there is no verb %q", first)
	if len(under) > 0 {
		text = fmt.Sprintf("there is no verb %q", tried)
	}
	if len(offers) > 0 {
		return text + "; did you mean " + strings.Join(offers[:min(len(offers), 3)], ", or ") + "?"
	}
	return text + `; run "drover verbs" for a list`
}

// Declarations are the verbs that say how a scenario is: what it needs, what its guest
// has, where it ends.
func Declarations() Vocabulary {
	return Vocabulary{
		{
			Name: "needs capability", Args: "NAME since RELEASE [build-option]",
			Doc:     "Both QEMUs must know the migration capability, which QEMU has since that release; build-option is for one that not every newer build has.",
			Example: "needs capability xbzrle since 1.3",
			Declare: func(a *Args, s *Scenario) {
				n := Capability{Name: a.Capability()}
				n.Since, n.BuildOption = a.since()
				s.Needs = append(s.Needs, n)
			},
		},
		{
			Name: "needs parameter", Args: "NAME[=VALUE] since RELEASE [build-option]",
			Doc:     "Both QEMUs must have the migration parameter, or take that value for it.",
			Example: "needs parameter multifd-compression=zstd since 5.0 build-option",
			Declare: func(a *Args, s *Scenario) {
				n := Parameter{}
				name, value, _ := strings.Cut(a.Word("the parameter"), "=")
				n.Name, n.Value = parameterName(name), value
				n.Since, n.BuildOption = a.since()
				s.Needs = append(s.Needs, n)
			},
		},
		{
			Name: "needs schema", Args: "PATH since RELEASE [build-option]",
			Doc:     "Both QEMUs must have what the path leads to in their QMP schema: a command, then an argument or -> and a member of the reply, then its members or values.",
			Example: `needs schema "migrate channels" since 8.2`,
			Declare: func(a *Args, s *Scenario) {
				n := SchemaPath{Path: a.Word("the path")}
				n.Since, n.BuildOption = a.since()
				s.Needs = append(s.Needs, n)
			},
		},
		{
			Name: "needs device", Args: "TYPE since RELEASE",
			Doc:     "The file gives both sides that device, which QEMU has since that release: an older one does not start.",
			Example: "needs device igb since 8.0",
			Declare: declareDevice,
		},
		{
			Name: "needs host", Args: "FEATURE",
			Doc:     "This host must have the feature: " + strings.Join(hostFeatureNames(), ", ") + ".",
			Example: "needs host userfaultfd",
			Declare: declareHostFeature,
		},
		{
			Name: "needs arch", Args: "TARGET...",
			Doc:     "The guest's architecture must be one of these.",
			Example: "needs arch x86_64 i386",
			Declare: func(a *Args, s *Scenario) {
				n := Arch{a.Word("the architecture")}
				for a.More() {
					n = append(n, a.Word("the architecture"))
				}
				s.Needs = append(s.Needs, n)
			},
		},
		{
			Name: "needs fixed-in", Args: "RELEASE BUG",
			Doc:     "Older QEMUs have a known bug that keeps them from the scenario; a bug, unlike a feature, can't be asked for.",
			Example: `needs fixed-in 10.0 "it takes multifd-zlib-level, and drops it"`,
			Declare: func(a *Args, s *Scenario) {
				s.Needs = append(s.Needs, FixedIn{a.Release(), a.Word("what the bug does, in quotes")})
			},
		},
		{
			Name: "needs outside", Args: "FIRST LAST [tcg | kvm] BUG [on TARGET]",
			Doc:     "QEMUs of the releases from FIRST to LAST have a known bug that keeps them from the scenario, under any accelerator or only the one named, and none is known to be without it since; a newer one is tried, and with a target only its guests are concerned.",
			Example: `needs outside 10.0 11.1 tcg "it is killed by SIGABRT where memory was plugged"`,
			Declare: func(a *Args, s *Scenario) {
				n := Outside{First: a.Release(), Last: a.Release()}
				for _, accel := range []string{"tcg", "kvm"} {
					if a.Option(accel) {
						n.Accel = accel
					}
				}
				n.Bug = a.Word("what the bug does, in quotes")
				if a.Option("on") {
					n.On = a.Word("the target")
				}
				if !n.Last.atLeast(n.First) {
					a.Fail("the first release with the bug, %s, is newer than the last, %s", n.First, n.Last)
				}
				s.Needs = append(s.Needs, n)
			},
		},
		{
			Name: "guest linux", Args: "[cpus NUMBER] [console] [options NAME=VALUE,...] [with DEVICE...]",
			Doc:     "The guest is Linux, with real drivers, in which workers watch its memory, its clocks and these devices: " + strings.Join(guest.DeviceNames()[1:], ", ") + "; what they find is a check each, and it says it through a virtio-serial port, or where console is there through its console.",
			Example: "guest linux cpus 2 with virtio-rng virtio-balloon",
			Declare: declareLinux,
		},
		{
			Name: "guest", Args: "PROGRAM [RATE] [else PROGRAM]",
			Doc:     "The guest program, where it is not the incrementer, and the one for targets that don't have it: " + fixtures.Forth + ", which is the incrementer run by the machine's firmware, " + fixtures.Pulse + ", which uses the machine as an operating system does and notices itself what it lost, " + fixtures.PulseHPET32 + ", whose HPET timer compares 32 bits and ticks 5,000 times a second, " + fixtures.PulseAlarm + ", whose real-time clock interrupts for its alarm only, " + fixtures.PulseFFlags + ", which has had floating-point exceptions, " + fixtures.PulseXIVE + ", which has the interrupt controller that a pseries machine has once it is asked for it, " + fixtures.PulseRounding + ", which rounds up, or " + fixtures.PulseTimer + " and " + fixtures.PulsePending + ", which look for what QEMU loses of s390x's timers and pending interrupts; smp2 and smp4 write as the incrementer does, with so many vCPUs, each a part of the memory (-smp); tide fills whole pages, zeros and nearly equal ones among them, RATE bytes a second at most where one is given.",
			Example: "guest pulse",
			Declare: func(a *Args, s *Scenario) {
				s.Guest.Program = a.OneOf("a guest program", fixtures.Names()...)
				targets := fixtures.Archs(s.Guest.Program)
				instead := a.Option("else")
				if !instead && a.More() {
					if s.Guest.Program != fixtures.Tide {
						a.Fail("only the guest program %s has a rate", fixtures.Tide)
						return
					}
					s.Guest.Rate = a.Size("the rate")
					instead = a.Option("else")
				}
				if instead {
					s.Guest.Else = a.OneOf("a guest program", fixtures.Names()...)
					targets = append(targets, fixtures.Archs(s.Guest.Else)...)
					slices.Sort(targets)
					targets = slices.Compact(targets)
				}
				if s.Guest.Else != fixtures.Incrementer { // which every target has
					s.Needs = append(s.Needs, Arch(targets))
				}
			},
		},
		{
			Name: "memory", Args: "SIZE",
			Doc:     "How much RAM the guest has, where what its program asks for won't do: whole MiB.",
			Example: "memory 1GiB",
			Declare: declareMemory,
		},
		{
			Name: "workload", Args: "PAGES",
			Doc:     "How many pages the guest program writes, where they are to be so few that they stay hot (in TCG's TLB).",
			Example: "workload 64",
			Declare: func(a *Args, s *Scenario) { s.Guest.Pages = a.Int("the number of pages") },
		},
		{
			Name: "accelerator", Args: "ACCEL",
			Doc:     "The only accelerator that the scenario can run under, as QEMU's -accel takes it.",
			Example: "accelerator kvm,dirty-ring-size=4096",
			Declare: func(a *Args, s *Scenario) { s.Guest.Accel = a.Word("the accelerator") },
		},
		{
			Name: "ram", Args: "shared|handed-over|inherited",
			Doc:     "Where the guest's RAM is: in a file that both QEMUs map, in one of the source's own that it passes to a destination which the steps start, or in one of the source's process, which executes the destination in its place.",
			Example: "ram shared",
			Declare: func(a *Args, s *Scenario) {
				s.Guest.RAM = RAM(a.OneOf("where it is", string(SharedRAM), string(HandedOverRAM), string(InheritedRAM)))
			},
		},
		{
			Name: "global", Args: "TYPE.PROPERTY=VALUE",
			Doc:     "A property for all objects of a type (-global), on both sides, where their QEMU has it.",
			Example: "global migration.switchover-ack-legacy=on",
			Declare: declareGlobal,
		},
		{
			Name:    "flash",
			Doc:     "The machine, a PC, has a flash memory of 64 KiB at 0xfffb0000, all ones, with an image of each side's own, as the variables of UEFI are in, below one with its firmware.",
			Example: "flash",
			Declare: func(_ *Args, s *Scenario) { s.Guest.Flash = true },
		},
		{
			Name:    "tpm",
			Doc:     "The machine, a PC, has a TPM, whose emulator is drover's own: it refuses all that the guest wants of it, and hears what each QEMU tells it.",
			Example: "tpm",
			Declare: func(_ *Args, s *Scenario) { s.Guest.TPM = true },
		},
		{
			Name: "source args", Args: "OPTION...",
			Doc:     "Options for the source's QEMU only.",
			Example: "source args -uuid 11111111-1111-1111-1111-111111111111",
			Declare: func(a *Args, s *Scenario) { s.Guest.SourceArgs = append(s.Guest.SourceArgs, a.Rest()...) },
		},
		{
			Name: "destination args", Args: "OPTION...",
			Doc:     "Options for the destination's QEMU only; -S makes it wait for cont before it runs the guest.",
			Example: "destination args -S",
			Declare: func(a *Args, s *Scenario) { s.Guest.DestinationArgs = append(s.Guest.DestinationArgs, a.Rest()...) },
		},
		{
			Name:    "alone",
			Doc:     "No other scenario of the same run is run beside it (--parallel): what it measures depends on how busy the host is.",
			Example: "alone",
			Declare: func(_ *Args, s *Scenario) { s.Alone = true },
		},
		{
			Name: "ends", Args: "on destination|on source|without guest|lost", Last: true,
			Doc:     "Where the guest is when the steps are done, and so what has to be proven; the last line, without which it is on the destination.",
			Example: "ends on source",
			Declare: func(a *Args, s *Scenario) { s.Ends = a.ending() },
		},
	}
}

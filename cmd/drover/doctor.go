package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/fleet"
	"github.com/drover-vm/drover/host"
	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/launcher"
	"github.com/drover-vm/drover/launcher/probe"
	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/scenarios"
)

const doctorText = `Prints which QEMUs are known here and what they can do, which kernels for Linux
guests, what this host has, and what each missing thing costs and how to get it.

Exit status: 0 when the standard scenarios can all run here, 1 when one of them
can't, 2 when it was interrupted.`

// standard are the scenarios that every host should be able to run.
func standard() []string {
	return []string{"bad_dest", "deprecated", "postcopy/plain", "precopy/unix/plain"}
}

// A diagnosis is what the doctor found.
type diagnosis struct {
	QEMUs   []patient      `json:"qemus"`
	Kernels []fleet.Kernel `json:"kernels"` // for Linux guests
	Host    []host.Fact    `json:"host"`
	// Accel is what --accel auto chooses for the QEMU that drover would run, and why;
	// AccelError says why it can't choose.
	Accel      string    `json:"accel,omitempty"`
	AccelError string    `json:"accel_error,omitempty"`
	Missing    []missing `json:"missing"` // the scenarios that can't run here
	Healthy    bool      `json:"healthy"` // all standard ones can
}

// A patient is one QEMU that was asked.
type patient struct {
	fleet.Binary
	Info  *probe.Info `json:"info,omitempty"`
	Error string      `json:"error,omitempty"` // why it could not be asked
}

// missing is a scenario that can't run, and why.
type missing struct {
	Scenario string `json:"scenario"`
	Why      string `json:"why"`
}

func doctorCommand() *command {
	var asJSON bool
	c := &command{
		Command: &cobra.Command{
			Use:               "doctor [flags]",
			Short:             "print what this host has, what it lacks, and what that costs",
			Long:              doctorText,
			ValidArgsFunction: cobra.NoFileCompletions,
		},
		check: func(words []string) error {
			if len(words) > 0 {
				return usageError("doctor takes no names; it looks at everything")
			}
			return nil
		},
		run: func(ctx context.Context, _ []string, _ *os.File, stdout, stderr io.Writer) int {
			return examineHost(ctx, asJSON, stdout, stderr)
		},
		owns: true,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write one JSON object")
	return c
}

func examineHost(ctx context.Context, asJSON bool, stdout, stderr io.Writer) int {
	var f fleet.Fleet
	d := diagnosis{QEMUs: examine(ctx, f.All()), Kernels: append([]fleet.Kernel{}, f.Kernels()...), Host: host.Facts()}
	if ctx.Err() != nil {
		return interrupted(ctx, stderr, "")
	}
	chosen, err := f.Find("x86_64", fleet.Source)
	d.judge(chosen, err)
	if d.Healthy {
		if choice, err := launcher.ChooseAccel(ctx, chosen.Path, "x86_64"); err != nil {
			d.AccelError = err.Error()
		} else {
			d.Accel = choice.String()
		}
	}
	if ctx.Err() != nil {
		return interrupted(ctx, stderr, "")
	}
	if asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(d)
	} else {
		d.print(stdout)
	}
	if !d.Healthy {
		return exitFailed
	}
	return exitOK
}

// examine asks each binary, several at a time.
func examine(ctx context.Context, binaries []fleet.Binary) []patient {
	patients := make([]patient, len(binaries))
	next := make(chan int)
	var asking sync.WaitGroup
	for range runtime.NumCPU() {
		asking.Go(func() {
			for i := range next {
				patients[i].Binary = binaries[i]
				info, err := probe.Inspect(ctx, binaries[i].Path)
				if err != nil {
					patients[i].Error = err.Error()
					continue
				}
				patients[i].Info = &info
			}
		})
	}
	for i := range binaries {
		next <- i
	}
	close(next)
	asking.Wait()
	return patients
}

// judge finds the scenarios that can't run with the QEMU that drover would
// choose, which findErr says if there is none.
func (d *diagnosis) judge(chosen fleet.Binary, findErr error) {
	d.Healthy, d.Missing = true, []missing{}
	everything := ""
	switch i := slices.IndexFunc(d.QEMUs, func(p patient) bool { return p.Path == chosen.Path }); {
	case findErr != nil:
		everything = findErr.Error()
	case i >= 0 && d.QEMUs[i].Error != "":
		everything = d.QEMUs[i].Error
	}
	for _, fact := range d.Host {
		if fact.Name == "memory" && !fact.Have && everything == "" {
			everything = "memory: " + fact.Says + "; " + fact.Remedy
		}
	}
	kernels := findKernelsOnce()
	for _, s := range scenarios.All() {
		why := everything
		for _, need := range s.Needs {
			if feature, ok := need.(migration.HostFeature); ok && why == "" {
				if err := feature.Missing(); err != nil {
					why = err.Error()
				}
			}
		}
		if why == "" {
			if err := s.CheckKernel(migration.Options{FindKernels: kernels}); err != nil {
				why = err.Error()
			}
		}
		if why != "" {
			d.Missing = append(d.Missing, missing{s.Name, why})
			d.Healthy = d.Healthy && !slices.Contains(standard(), s.Name)
		}
	}
}

// print writes it for a person.
func (d *diagnosis) print(out io.Writer) {
	fmt.Fprintln(out, "QEMUs")
	if len(d.QEMUs) == 0 {
		fmt.Fprintln(out, "  none is known here; see below")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range d.QEMUs {
		p.print(w)
	}
	_ = w.Flush()

	if len(d.Kernels) > 0 {
		fmt.Fprintln(out, "\nKernels of Linux guests")
		w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, k := range d.Kernels {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", k.Arch, plain.Text(k.Release), k.Suite, plain.Text(k.Path))
		}
		_ = w.Flush()
	}

	fmt.Fprintln(out, "\nHost")
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, fact := range d.Host {
		mark := "ok"
		if !fact.Have {
			mark = "no"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", mark, fact.Name, plain.Text(fact.Says))
		if fact.Costs != "" {
			fmt.Fprintf(w, "  \t\t  costs: %s\n", plain.Text(fact.Costs))
		}
		if fact.Remedy != "" {
			fmt.Fprintf(w, "  \t\t  helps: %s\n", plain.Text(fact.Remedy))
		}
	}
	_ = w.Flush()

	if d.Accel != "" {
		fmt.Fprintf(out, "\nAccelerator that --accel auto chooses\n  %s\n", plain.Text(d.Accel))
	}
	if d.AccelError != "" {
		fmt.Fprintf(out, "\nAccelerator that --accel auto chooses\n  can't be chosen: %s\n", plain.Cut(d.AccelError, longestComplaint))
	}

	fmt.Fprintln(out, "\nScenarios")
	if len(d.Missing) == 0 {
		fmt.Fprintln(out, "  all can run here")
		return
	}
	var why []string // in order, each once
	names := make(map[string][]string)
	for _, m := range d.Missing {
		if names[m.Why] == nil {
			why = append(why, m.Why)
		}
		names[m.Why] = append(names[m.Why], m.Scenario)
	}
	for _, reason := range why {
		which := strings.Join(names[reason], ", ")
		if n := len(names[reason]); n == len(scenarios.All()) {
			which = fmt.Sprintf("all %d", n)
		}
		fmt.Fprintf(out, "  can't run here: %s\n    %s\n", which, plain.Text(reason))
	}
}

// print writes a line for a binary, and one for what it can do.
func (p patient) print(w io.Writer) {
	origin := p.Origin
	if p.Suite != "" {
		origin = p.Suite
	}
	arch := cmp.Or(p.Arch, "?")
	if p.Error != "" {
		fmt.Fprintf(w, "  %s\t?\t%s\t%s\n  \t\t\t  can't be used: %s\n", arch, origin, plain.Text(p.Path), plain.Cut(p.Error, longestComplaint))
		return
	}
	i := p.Info
	if i.Target != "" {
		arch = plain.Text(i.Target)
	}
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", arch, i.Version, origin, plain.Text(p.Path))
	fmt.Fprintf(w, "  \t\t\t  %d machines, %d devices; %s; %s\n",
		len(i.Machines), len(i.Devices), plain.Text(strings.Join(i.Accelerators, ", ")), abilities(i.Features))
	if i.Doubts != "" {
		fmt.Fprintf(w, "  \t\t\t  not all is known: %s\n", plain.Cut(i.Doubts, longestComplaint))
	}
}

// abilities names the features that are there, and in brackets those that are
// not.
func abilities(f probe.Features) string {
	var have, lack []string
	for _, feature := range []struct {
		name string
		have bool
	}{
		{"qtest over descriptors", f.QTest},
		{"QMP over descriptors", f.QMPDescriptors},
		{"oob", f.OOB},
		{"postcopy", f.Postcopy},
		{"TLS", f.TLS},
		{"zstd", f.Zstd},
		{"io_uring", f.IOUring},
		{"channels", f.Channels},
		{"monitor-qmp", f.MonitorObject},
	} {
		if feature.have {
			have = append(have, feature.name)
		} else {
			lack = append(lack, feature.name)
		}
	}
	text := strings.Join(have, ", ")
	if len(lack) > 0 {
		text += " (not: " + strings.Join(lack, ", ") + ")"
	}
	return text
}

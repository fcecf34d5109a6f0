package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/report"
)

const benchAdviseText = `Names the settings that kept a downtime, from what "drover bench" has measured: in the
FILEs or folders that it left, or in the last bench of this user where none is named.
A setting counts that was measured at no less than the dirty rate, over no more than the
bandwidth, with no less RAM; it kept the downtime where each of its migrations converged
and paused the guest for no longer. Nothing is guessed between what was measured.

Exit status: 0 when a setting kept the downtime, 1 when none did, 2 when nothing that
was measured answers.`

// adviseFlags are the command line of "drover bench advise".
type adviseFlags struct {
	rate, bandwidth, memory string
	downtime                time.Duration
	question                stats.Question
}

func benchAdviseCommand() *command {
	f := &adviseFlags{}
	c := &command{
		Command: &cobra.Command{
			Use:   "advise --dirty-rate RATE --bandwidth RATE --downtime TIME [FILE ...]",
			Short: "name the settings that kept a downtime, with the evidence",
			Long:  benchAdviseText,
		},
		check: f.check, run: f.advise,
	}
	set := c.Flags()
	set.StringVar(&f.rate, "dirty-rate", "", "`rate` at which the guest makes its RAM dirty, such as 200MB/s")
	set.StringVar(&f.bandwidth, "bandwidth", "", "`rate` that the migration may use, such as 1GB/s")
	set.DurationVar(&f.downtime, "downtime", 0, "`time` that the guest can bear to be paused")
	set.StringVar(&f.memory, "memory", "", "least `size` of the guest's RAM that counts (default: any)")
	return c
}

func (f *adviseFlags) check([]string) (err error) {
	if f.rate == "" || f.bandwidth == "" || f.downtime == 0 {
		return usageError("advise wants --dirty-rate, --bandwidth and --downtime")
	}
	if err := checkTime("downtime", f.downtime); err != nil {
		return err
	}
	q := &f.question
	q.Downtime = f.downtime
	if q.DirtyRate, err = stats.ParseRate(f.rate); err != nil {
		return usageError("--dirty-rate: " + err.Error())
	}
	if q.Bandwidth, err = bandwidth(f.bandwidth); err != nil {
		return usageError("--bandwidth: " + err.Error())
	}
	if f.memory != "" {
		if q.MemoryMiB, err = wholeMiB(f.memory); err != nil {
			return usageError("--memory: " + err.Error())
		}
	}
	return nil
}

func (f *adviseFlags) advise(_ context.Context, files []string, _ *os.File, stdout, stderr io.Writer) int {
	all, err := benchFiles(files)
	if err != nil {
		return complain(stderr, err)
	}
	var advice stats.Advice
	var versions []string
	for _, r := range all {
		a := stats.Advise(r, f.question)
		advice.Join(a)
		versions = append(versions, r.Source.Version)
	}
	report.AdviceText(stdout, f.question, advice, strings.Join(unique(versions), ", "))
	switch {
	case len(advice.Keep) > 0:
		return exitOK
	case len(advice.Not) > 0:
		return exitFailed
	}
	return exitCannotRun
}

// benchFiles are the results in the files, or the last ones where none is named.
func benchFiles(files []string) (all []*stats.Results, err error) {
	if len(files) == 0 {
		r, err := readLastBench()
		if err != nil {
			return nil, err
		}
		return []*stats.Results{r}, nil
	}
	for _, file := range files {
		r, err := stats.Load(file)
		if err != nil {
			return nil, fmt.Errorf("%w; name a file or folder that drover bench left", err)
		}
		all = append(all, r)
	}
	return all, nil
}

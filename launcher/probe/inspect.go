package probe

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/drover-vm/drover/internal/ended"
)

// Inspect asks the binary at path all that an Info holds. The questions are
// put at once, to several processes, and take a third of a second together; the
// answers are kept in the user's cache folder ($DROVER_CACHE, else ~/.cache) under
// the binary's path, size and time of change, and from there they come in a
// hundredth. A script, which may start another QEMU tomorrow, is asked for its
// version each time.
//
// A program that isn't a QEMU gives a *NotQEMUError, at once, or, where it
// hangs, in a dozen seconds.
// A QEMU that answers the first questions and not the others gives an Info
// with Doubts, which is not kept.
func Inspect(ctx context.Context, path string) (Info, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Info{}, err
	}
	kept := cacheOf(path, "all")
	info, whole, err := kept.first(ctx)
	if err != nil || whole {
		return info, err
	}
	if err := info.inspect(ctx); err != nil {
		return Info{}, err
	}
	if info.Doubts == "" {
		kept.write(info)
	}
	return info, nil
}

// inspect puts the questions behind the first one.
func (i *Info) inspect(ctx context.Context) error {
	var (
		asking      sync.WaitGroup
		objectsErr  error
		doubts      [4]error // each written by one goroutine
		accelerated string
		devices     string
		session     Info
	)
	asking.Go(func() { i.Objects, objectsErr = objects(ctx, i.Path) })
	asking.Go(func() { i.Machines, doubts[0] = Machines(ctx, i.Path) })
	asking.Go(func() { accelerated, doubts[1] = ask(ctx, i.Path, "-accel") })
	asking.Go(func() { devices, doubts[2] = ask(ctx, i.Path, "-device") })
	asking.Go(func() { session, doubts[3] = converse(ctx, i.Path) })
	asking.Wait()
	if objectsErr != nil {
		return objectsErr
	}
	if ctx.Err() != nil {
		return ended.By(ctx)
	}
	i.Target, i.Capabilities, i.Features = session.Target, session.Capabilities, session.Features
	i.Accelerators = acceleratorNames(accelerated)
	i.Devices = deviceNames(devices)
	i.Features.QTest = i.HasObject("qtest")
	i.Features.MonitorObject = i.HasObject("monitor-qmp")
	for _, err := range doubts {
		if err != nil {
			i.Doubts = strings.ReplaceAll(err.Error(), "\n", " ")
			break
		}
	}
	return nil
}

// acceleratorNames reads the reply to -accel help: a heading and a name a
// line, or, before 4.2, "Possible accelerators: kvm, xen, hax, tcg".
func acceleratorNames(help string) []string {
	if _, list, ok := strings.Cut(help, "Possible accelerators:"); ok {
		return strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' || c == '\n' })
	}
	var names []string
	for line := range strings.Lines(behind(help, "Accelerators supported")) {
		if name := strings.TrimSpace(line); name != "" && !strings.ContainsAny(name, " :") {
			names = append(names, name)
		}
	}
	return names
}

// deviceName is the beginning of a device's line in -device help.
var deviceName = regexp.MustCompile(`(?m)^name "([^"]+)"`)

// deviceNames reads the reply to -device help.
func deviceNames(help string) []string {
	var names []string
	for _, match := range deviceName.FindAllStringSubmatch(help, -1) {
		names = append(names, match[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

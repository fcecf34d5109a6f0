package migration

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/drover-vm/drover/migration/preflight"
	"github.com/drover-vm/drover/protocol/qapi"
)

// cpuOf asks for the first vCPU as it has become: what QEMU itself calls features of
// its model, in so far as the CPU object has them. It is nil where there is none.
func cpuOf(ctx context.Context, e qapi.Executor) (*preflight.CPU, error) {
	cpus, err := qapi.QueryCPUsFast(ctx, e)
	if err != nil || len(cpus) == 0 {
		return nil, unlessRefused(err)
	}
	path, qomType := cpus[0].QOMPath, ""
	if err := qapi.QOMGet(ctx, e, path, "type", &qomType); err != nil {
		return nil, unlessRefused(err)
	}
	cpu := &preflight.CPU{}
	if cpu.Model, cpu.Unsafe, err = cpuModel(ctx, e, qomType); err != nil {
		return nil, err
	}
	names, err := featureNames(ctx, e, cpu.Model, path)
	if err != nil || names == nil {
		return cpu, err
	}
	has, err := booleans(ctx, e, path, names)
	if err != nil {
		return nil, err
	}
	cpu.Features = slices.DeleteFunc(names, func(name string) bool { return !has[name] })
	return cpu, nil
}

// cpuModel is what -cpu calls a type of CPU, and whether QEMU says that a guest with
// one is not safe to migrate.
func cpuModel(ctx context.Context, e qapi.Executor, qomType string) (name string, unsafe bool, err error) {
	var models []struct {
		Name     string `json:"name"`
		TypeName string `json:"typename"`
		Safe     *bool  `json:"migration-safe"` // only of some targets
	}
	if err := e.Execute(ctx, "query-cpu-definitions", nil, &models); err != nil {
		if err := unlessRefused(err); err != nil {
			return "", false, err
		}
	}
	// Haswell-x86_64-cpu; of ppc64, names that are only aliases have the same.
	plain := strings.TrimSuffix(qomType, "-cpu")
	if at := strings.LastIndexByte(plain, '-'); at > 0 {
		plain = plain[:at]
	}
	for _, m := range models {
		if m.TypeName == qomType && (name == "" || m.Name == plain) {
			name, unsafe = m.Name, m.Safe != nil && !*m.Safe
		}
	}
	return cmp.Or(name, plain), unsafe, nil
}

// featureNames are QEMU's names for what a CPU may have: those of the model's
// expansion, or, where a target has none, the CPU object's properties that are true
// or false.
func featureNames(ctx context.Context, e qapi.Executor, model, path string) ([]string, error) {
	for _, expansion := range []string{"static", "full"} { // Arm has the second only
		var reply json.RawMessage
		asked := map[string]any{"type": expansion, "model": map[string]string{"name": model}}
		err := e.Execute(ctx, "query-cpu-model-expansion", asked, &reply)
		if err == nil {
			return preflight.FeatureNames(reply)
		}
		if err := unlessRefused(err); err != nil {
			return nil, err
		}
	}
	properties, err := qapi.QOMList(ctx, e, path)
	if err != nil {
		return nil, unlessRefused(err)
	}
	var names []string
	for _, p := range properties {
		if p.Type == "bool" && preflight.IsFeature(p.Name) {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// booleans are the properties of an object that are true, of those named: 400 come in
// 5 ms from a QEMU that sends them at once (qom-list-get, 10.1), else in a tenth of a
// second.
func booleans(ctx context.Context, e qapi.Executor, path string, names []string) (map[string]bool, error) {
	has := map[string]bool{}
	var objects []struct {
		Properties []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"properties"`
	}
	err := e.Execute(ctx, "qom-list-get", map[string]any{"paths": []string{path}}, &objects)
	if err == nil && len(objects) == 1 {
		for _, p := range objects[0].Properties {
			has[p.Name] = string(p.Value) == "true"
		}
		return has, nil
	}
	if err := unlessRefused(err); err != nil {
		return nil, err
	}
	const inFlight = 7
	values := make([]bool, len(names))
	asking, asked := errgroup.WithContext(ctx)
	asking.SetLimit(inFlight)
	for i, name := range names {
		asking.Go(func() error { return unlessRefused(qapi.QOMGet(asked, e, path, name, &values[i])) })
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	for i, name := range names {
		has[name] = values[i]
	}
	return has, nil
}

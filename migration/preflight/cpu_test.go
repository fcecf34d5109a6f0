package preflight_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/preflight"
)

// withCPU is the description of one QEMU, with the vCPU that it makes of a model under
// TCG on the same machine. The test in package migration that made the file says how
// to make it again.
func withCPU(t *testing.T, version, model string) *preflight.Description {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "cpu", version+".json"))
	require.NoError(t, err)
	var of struct{ CPUs map[string]*preflight.CPU }
	require.NoError(t, json.Unmarshal(text, &of))
	require.NotNil(t, of.CPUs[model])
	d := recorded(t, version)
	d.CPU = of.CPUs[model]
	return d
}

func TestWhatTheDestinationsCPUHasNotIsNamed(t *testing.T) {
	const (
		dies   = ", which the destination's has not: a guest that uses them dies or computes wrongly"
		unsafe = "QEMU says that the CPU model max is not safe to migrate: what it has depends on the QEMU and on the host"
	)
	for _, c := range []struct {
		model, source, destination string
		sentences                  []string
	}{
		{"Haswell", "7.2", "5.2", []string{"the source's CPU has avx, avx2, f16c, fma" + dies}},
		{"Haswell", "5.2", "7.2", nil},
		{"Haswell", "7.2", "11.1", nil},
		{"Haswell", "10.0", "11.1", nil},
		{"max", "7.2", "5.2", []string{"the source's CPU has avx, avx2, f16c, fma (and 5 more)" + dies, unsafe}},
		{"max", "5.2", "7.2", []string{unsafe}},
		{"max", "11.1", "7.2", []string{"the source's CPU has 3dnowprefetch, cmp-legacy, cmpccxadd, fsrc (and 11 more)" + dies, unsafe}},
		{"max", "7.2", "7.2", nil},
		{"max", "11.1", "11.1", nil},
	} {
		r := preflight.Compare(withCPU(t, c.source, c.model), withCPU(t, c.destination, c.model))
		require.Equal(t, preflight.Completes, r.Prediction.Outcome)
		var sentences []string
		for _, d := range r.Of(preflight.IfUsed) {
			if d.OfCPU() {
				sentences = append(sentences, d.Sentence)
			}
		}
		require.Equal(t, c.sentences, sentences, "%s, %s -> %s", c.model, c.source, c.destination)
	}
}

// TestCPUsThatHaveTheSameAreNoDifference, whatever QEMU says of their model, nor are
// those of which nothing is known.
func TestCPUsThatHaveTheSameAreNoDifference(t *testing.T) {
	for _, c := range [][2]*preflight.CPU{
		{{Model: "max", Unsafe: true, Features: []string{"avx"}}, {Model: "max", Unsafe: true, Features: []string{"avx"}}},
		{{Model: "max", Unsafe: true, Features: []string{"avx"}}, {Model: "max", Unsafe: true}},
		{{Model: "qemu64", Features: []string{"avx"}}, nil},
		{nil, {Model: "qemu64", Features: []string{"avx"}}},
	} {
		source, destination := recorded(t, "10.0"), recorded(t, "10.0")
		source.CPU, destination.CPU = c[0], c[1]
		require.Empty(t, preflight.Compare(source, destination).Differences)
	}
}

// TestDifferenceHasAllNamesThatItsSentenceCounts.
func TestDifferenceHasAllNamesThatItsSentenceCounts(t *testing.T) {
	source, destination := recorded(t, "10.0"), recorded(t, "10.0")
	source.CPU = &preflight.CPU{Features: []string{"a", "b", "c", "d", "e", "f"}}
	destination.CPU = &preflight.CPU{Features: []string{"b"}}
	found := preflight.Compare(source, destination).Of(preflight.IfUsed)
	require.Len(t, found, 1)
	require.Contains(t, found[0].Sentence, " a, c, d, e (and 1 more),")
	require.Equal(t, []string{"a", "c", "d", "e", "f"}, found[0].Names)
	require.True(t, found[0].OfCPU())
}

func TestFeaturesAreTheModelsPropertiesThatAreTrueOrFalse(t *testing.T) {
	names, err := preflight.FeatureNames([]byte(`{"model": {"name": "base", "props": {"vendor": "AuthenticAMD", "sse2": true, "avx": false, "family": 6}}}`))
	require.NoError(t, err)
	require.Equal(t, []string{"avx", "sse2"}, names)
	names, err = preflight.FeatureNames([]byte(`{}`))
	require.NoError(t, err)
	require.Empty(t, names)
	_, err = preflight.FeatureNames([]byte(`[`))
	require.ErrorContains(t, err, "query-cpu-model-expansion")
}

func TestPropertiesOfEveryDeviceAreNoFeatures(t *testing.T) {
	for _, name := range []string{"realized", "hotpluggable", "start-powered-off", "x-consistent-cache", "pre-2.8-migration"} {
		require.False(t, preflight.IsFeature(name), name)
	}
	for _, name := range []string{"sve", "zba", "v", "pauth"} {
		require.True(t, preflight.IsFeature(name), name)
	}
}

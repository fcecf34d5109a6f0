package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	schemas "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

// site writes a folder with all kinds of failure, passes on another QEMU, and skips.
func site(t *testing.T) (dir string, results *report.Results) {
	t.Helper()
	dir = t.TempDir()
	results = &report.Results{Format: report.ResultsFormat, Seconds: 42.5}
	for _, k := range kinds() {
		from, result := k.make(t)
		name := strings.ReplaceAll(k.name, " ", "-")
		to := filepath.Join(dir, "runs", name)
		require.NoError(t, os.CopyFS(to, os.DirFS(from)))
		require.NoError(t, report.WriteRun(to, result))
		results.Add(report.Outlined(result, k.name, "", "./runs/"+name+"/report.html"))
		good, err := record.Load(filepath.Join("testdata/runs", k.run))
		require.NoError(t, err)
		passed := record.Judged(good)
		results.Add(report.Outlined(passed, k.name, "11.1.3", ""))
	}
	for _, name := range []string{"dirty_ring", "dirty_limit", "disk/<script>alert(1)</script>\x1b[2J"} {
		results.Add(report.Outlined(&record.Result{Scenario: name, Arch: "x86_64", Outcome: record.Skip, Reason: "there is no /dev/kvm: load the module kvm"}, name, "", ""))
	}
	require.NoError(t, results.WriteSite(dir))
	return dir, results
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func TestIndexGroupsSkipsNamesFailuresAndLinksPages(t *testing.T) {
	dir, _ := site(t)
	index := read(t, filepath.Join(dir, report.IndexFile))
	require.Equal(t, 1, strings.Count(index, "3: there is no /dev/kvm"))
	require.Contains(t, index, "<th scope=\"col\">10.0.13</th>")
	require.Contains(t, index, "<th scope=\"col\">11.1.3</th>")
	require.Contains(t, index, "destination, RAM: every 50th page")
	require.Contains(t, index, `href="./runs/lost-pages/report.html"`)
	require.NotContains(t, index, "<script>")
	require.NotContains(t, index, "\x1b")
}

func TestIndexOpensInABrowserAndItsLinksLeadSomewhere(t *testing.T) {
	dir, _ := site(t)
	found := requireSound(t, browser(t), filepath.Join(dir, report.IndexFile))
	require.GreaterOrEqual(t, len(found.Links), 12)
}

func TestResultsFitTheirPublishedSchema(t *testing.T) {
	const published = "../../docs/results.schema.json"
	reflector := schemas.Reflector{DoNotReference: true, Anonymous: true, AllowAdditionalProperties: true}
	schema := reflector.Reflect(&report.Results{})
	schema.Title = "results.json of drover"
	schema.Description = "What became of a run of scenarios. Format 1; members may be added."
	made, err := json.MarshalIndent(schema, "", "  ")
	require.NoError(t, err)
	made = append(made, '\n')
	if *update {
		require.NoError(t, os.WriteFile(published, made, 0o600))
	}
	require.Equal(t, read(t, published), string(made), "the Go types say otherwise: run go test ./migration/report -update")

	compiler := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(made))
	require.NoError(t, err)
	require.NoError(t, compiler.AddResource("results.schema.json", doc))
	compiled, err := compiler.Compile("results.schema.json")
	require.NoError(t, err)

	dir, _ := site(t)
	for name, text := range map[string]string{
		"full":  read(t, filepath.Join(dir, report.ResultsFile)),
		"empty": string(must(t)((&report.Results{Format: report.ResultsFormat}).JSON())),
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		require.NoError(t, err)
		require.NoError(t, compiled.Validate(value), name)
	}
	text := strings.Replace(read(t, filepath.Join(dir, report.ResultsFile)), `"Format": 1`, `"Format": 2`, 1)
	wrong, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	require.NoError(t, err)
	require.ErrorContains(t, compiled.Validate(wrong), "/Format")
}

func must(t *testing.T) func([]byte, error) []byte {
	t.Helper()
	return func(text []byte, err error) []byte {
		require.NoError(t, err)
		return text
	}
}

func TestJUnitHasEachRunOnce(t *testing.T) {
	dir, results := site(t)
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal([]byte(read(t, filepath.Join(dir, report.JUnitFile))), &suites))
	require.Equal(t, []int{len(results.Runs), 6, 3}, []int{suites.Tests, suites.Failures, suites.Skipped})
	cases, failed := 0, 0
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			cases++
			if c.Failure != nil {
				failed++
				require.NotEmpty(t, c.Failure.Message)
			}
		}
	}
	require.Equal(t, []int{len(results.Runs), 6}, []int{cases, failed})
}

func TestAnnotationsAreOneCommandEach(t *testing.T) {
	results := report.Results{}
	results.Add(report.Outline{Scenario: "a,b:c", Arch: "x86_64", Outcome: record.Fail, Side: "source", Part: "RAM", Reason: "50 % lost\n::error::mine"})
	results.Add(report.Outline{Scenario: "well", Arch: "x86_64", Outcome: record.Pass})
	results.Add(report.Outline{Scenario: "who knows", Arch: "x86_64", QEMU: "7.2", Outcome: record.Unknown, Reason: "interrupted"})
	var out bytes.Buffer
	results.Annotations(&out)
	require.Equal(t, "::error title=x86_64/a%2Cb%3Ac::source, RAM: 50 %25 lost\\n::error::mine\n::warning title=x86_64/who knows (QEMU 7.2)::interrupted\n", out.String())
}

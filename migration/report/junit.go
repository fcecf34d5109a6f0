package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
	"github.com/drover-vm/drover/migration/record"
)

// junitSuites is JUnit's XML, as far as the readers of it agree.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Time    string     `xml:"time,attr"`
	Failure *junitText `xml:"failure"`
	Error   *junitText `xml:"error"`
	Skipped *junitText `xml:"skipped"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit is junit.xml: a suite for each QEMU. What is unknown is an error there.
func (r *Results) junit() ([]byte, error) {
	all := junitSuites{Tests: len(r.Runs), Failures: r.Failed, Errors: r.Unknown, Skipped: r.Skipped, Time: seconds(r.Seconds)}
	place := map[string]int{}
	for _, o := range r.Runs {
		i, there := place[o.QEMU]
		if !there {
			i = len(all.Suites)
			place[o.QEMU] = i
			all.Suites = append(all.Suites, junitSuite{Name: strings.TrimSpace("QEMU " + plain.Text(o.QEMU))})
		}
		s := &all.Suites[i]
		c := junitCase{Class: plain.Text(o.Arch), Name: plain.Text(o.Scenario), Time: seconds(o.Seconds)}
		text := &junitText{Message: plain.Text(o.Reason), Text: plain.Text(o.Page)}
		s.Tests++
		switch o.Outcome {
		case record.Pass:
		case record.Fail:
			c.Failure = text
			s.Failures++
		case record.Skip:
			c.Skipped = text
			s.Skipped++
		default:
			c.Error = text
			s.Errors++
		}
		s.Cases = append(s.Cases, c)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// Annotations writes a workflow command of GitHub's for each run that failed or is unknown.
func (r *Results) Annotations(w io.Writer) {
	for _, o := range r.Runs {
		kind := "error"
		switch o.Outcome {
		case record.Pass, record.Skip:
			continue
		case record.Unknown:
			kind = "warning"
		}
		title := o.Arch + "/" + o.Scenario
		if o.QEMU != "" {
			title += " (QEMU " + o.QEMU + ")"
		}
		where := ""
		if o.Side != "" {
			where = o.Side + ", " + o.Part + ": "
		}
		fmt.Fprintf(w, "::%s title=%s::%s\n", kind, property.Replace(plain.Text(title)), command.Replace(plain.Text(where+o.Reason)))
	}
}

// What means something in a workflow command.
var (
	command  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

package report

import (
	_ "embed" // the page's template and style
	"html/template"
	"io"
	"net/url"
	"strings"

	"github.com/drover-vm/drover/internal/plain"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

// runPage is parsed once: it is the same for every run. A template that is broken is found by
// every test.
var runPage = template.Must(template.New("page").Funcs(template.FuncMap{
	"add":   func(a, b int) int { return a + b },
	"plain": plain.Lines,
	"mark":  func(marks []string, i int) string { return at(marks, i) },
	"words": func(mark string) string { return wordsOf[mark] },
	"style": func() template.CSS { return template.CSS(pageStyle) }, //nolint:gosec // our own
	"href":  func(file string) string { return "./" + url.PathEscape(file) },
}).Parse(pageTemplate))

// wordsOf are the marks in words, for those that don't see colours.
var wordsOf = map[string]string{"fail": "✗ ", "pass": "✓ ", "unknown": "? "}

func at(marks []string, i int) string {
	if i < len(marks) {
		return marks[i]
	}
	return ""
}

// writeHTML writes a page, all of it: no style, script or picture is elsewhere.
func writeHTML(w io.Writer, p page) error {
	var b strings.Builder
	if err := runPage.Execute(&b, p); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const noBreak = "\u00a0"

// texts are the lines of text in an SVG, as an XML decoder reads them.
func texts(t *testing.T, picture []byte) (lines []string) {
	t.Helper()
	inText := false
	for d := xml.NewDecoder(strings.NewReader(string(picture))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return lines
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "text" {
				inText, lines = true, append(lines, "")
			}
		case xml.EndElement:
			inText = inText && token.Name.Local != "text"
		case xml.CharData:
			if inText {
				lines[len(lines)-1] += strings.ReplaceAll(string(token), noBreak, " ")
			}
		}
	}
}

func TestPictureShowsTheTextThatWasRecorded(t *testing.T) {
	picture, err := draw("$ drover run <a> & b\npass  x\nfail\n\nno outcome: pass\n")
	require.NoError(t, err)
	require.Equal(t, []string{"$ drover run <a> & b", "pass  x", "fail", "no outcome: pass"}, texts(t, picture))
	require.Contains(t, string(picture), `<tspan fill="#3fb950">pass</tspan>`+noBreak+noBreak+"x<")
	require.Contains(t, string(picture), ">no"+noBreak+"outcome:"+noBreak+"pass<")
}

func TestTextThatIsNoPictureIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"a\n\x1b[32mpass":          "line 2 has a control character",
		"a\tb":                     "line 1 has a control character",
		"\xff":                     "not UTF-8",
		strings.Repeat("x\n", 201): "201 lines",
		strings.Repeat("x", 201):   "of up to 201 characters",
	} {
		_, err := draw(text)
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, run(nil), "0 arguments, but it takes two")
	require.ErrorIs(t, run([]string{filepath.Join(t.TempDir(), "none"), "x"}), os.ErrNotExist)
}

// TestPicturesAreOfTheTextBesideThem: a picture that was not drawn again shows what drover
// no longer prints.
func TestPicturesAreOfTheTextBesideThem(t *testing.T) {
	recorded, err := filepath.Glob("../../docs/pictures/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, recorded)
	for _, path := range recorded {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		want, err := draw(string(text))
		require.NoError(t, err, path)
		have, err := os.ReadFile(strings.TrimSuffix(path, ".txt") + ".svg")
		require.NoError(t, err)
		require.Equal(t, string(want), string(have), "%s: run make pictures", path)
	}
}

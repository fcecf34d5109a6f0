package report_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/bench/stats"
	"github.com/drover-vm/drover/migration/record"
	"github.com/drover-vm/drover/migration/report"
)

var (
	pictures = flag.String("pictures", "", "write the pictures of the documents to that `folder`")
	looks    = flag.String("looks", "", "write pictures of each kind of page, light, dark and narrow, to that `folder`")
)

// pagesToLookAt are a page of each kind.
func pagesToLookAt(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, k := range kinds() {
		dir, result := k.make(t)
		require.NoError(t, report.WriteRun(dir, result))
		pages["failing: "+k.name] = filepath.Join(dir, report.HTMLFile)
	}
	dir := filepath.Join(t.TempDir(), "passing")
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/runs/sampled")))
	r, err := record.Load(dir)
	require.NoError(t, err)
	require.NoError(t, report.WriteRun(dir, record.Judged(r)))
	pages["passing"] = filepath.Join(dir, report.HTMLFile)
	dir, _ = site(t)
	pages["matrix"] = filepath.Join(dir, report.IndexFile)
	results, err := stats.Load("testdata/bench.json")
	require.NoError(t, err)
	dir = t.TempDir()
	require.NoError(t, report.WriteBench(dir, results, nil))
	pages["bench"] = filepath.Join(dir, report.BenchFile)
	return pages
}

// shoot takes a picture of a page's upper part, as high as is said; 0 is all of it.
func shoot(t *testing.T, ctx context.Context, path, scheme string, width, height int64) (png []byte) {
	t.Helper()
	media := emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}})
	do := chromedp.Tasks{media, chromedp.EmulateViewport(width, max(height, 800)), chromedp.Navigate("file://" + path)}
	if height == 0 {
		const quality = 100 // which is PNG
		do = append(do, chromedp.FullScreenshot(&png, quality))
	} else {
		do = append(do, chromedp.ActionFunc(func(ctx context.Context) (err error) {
			png, err = page.CaptureScreenshot().WithClip(&page.Viewport{Width: float64(width), Height: float64(height), Scale: 1}).Do(ctx)
			return err
		}))
	}
	require.NoError(t, chromedp.Run(ctx, do))
	return png
}

// TestEachKindOfPageIsSoundInEachLook opens a page of each kind in light and dark, wide and
// narrow; with -looks it writes pictures for somebody to look at.
func TestEachKindOfPageIsSoundInEachLook(t *testing.T) {
	ctx := browser(t)
	for name, path := range pagesToLookAt(t) {
		requireSound(t, ctx, path)
		for _, look := range []struct {
			name, scheme string
			width        int64
		}{{"light", "light", 1100}, {"dark", "dark", 1100}, {"narrow", "light", 360}} {
			if *looks == "" && look.scheme == "light" {
				continue // as above
			}
			png := shoot(t, ctx, path, look.scheme, look.width, 0)
			if *looks != "" {
				require.NoError(t, os.WriteFile(filepath.Join(*looks, name+", "+look.name+".png"), png, 0o600))
			}
			var paper string
			require.NoError(t, chromedp.Run(ctx, chromedp.Evaluate(`getComputedStyle(document.documentElement).backgroundColor`, &paper)))
			require.Equal(t, map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[look.scheme], paper)
		}
	}
}

// TestPicturesOfTheDocuments is how "make pictures" takes them.
func TestPicturesOfTheDocuments(t *testing.T) {
	if *pictures == "" {
		t.Skip(`it writes files: "make pictures" runs it`)
	}
	ctx := browser(t)
	pages := pagesToLookAt(t)
	for _, p := range []struct {
		name, page string
		height     int64
	}{{"report-failing.png", "failing: lost pages", 640}, {"report-bench.png", "bench", 740}} {
		png := shoot(t, ctx, pages[p.page], "light", 800, p.height)
		require.NoError(t, os.WriteFile(filepath.Join(*pictures, p.name), png, 0o644))
	}
}

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
	"github.com/drover-vm/drover/migration/report"
)

var (
	benchPicture = flag.String("bench-picture", "", "write the documents' picture of a bench to that `file`")
	benchOf      = flag.String("bench-of", "", "bench.json `file` that it shows")
	benchLooks   = flag.String("bench-looks", "", "write pictures of a bench's page, light, dark and narrow, to that `folder`")
)

// picture is a PNG of the upper part of a page, as high as is said; 0 is all of it.
func picture(t *testing.T, ctx context.Context, path, scheme string, width, height float64) (png []byte) {
	t.Helper()
	media := emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}})
	take := chromedp.FullScreenshot(&png, 100)
	if height > 0 {
		take = chromedp.ActionFunc(func(ctx context.Context) (err error) {
			png, err = page.CaptureScreenshot().WithClip(&page.Viewport{Width: width, Height: height, Scale: 1}).Do(ctx)
			return err
		})
	}
	require.NoError(t, chromedp.Run(ctx, media, chromedp.EmulateViewport(int64(width), 900), chromedp.Navigate("file://"+path), take))
	return png
}

// TestABenchsPageIsSoundInEachLook opens it in light and dark, wide and narrow; with
// -bench-looks it writes pictures for somebody to look at.
func TestABenchsPageIsSoundInEachLook(t *testing.T) {
	ctx := browser(t)
	before, now := slower(benched())
	c := stats.Compare(before, now, stats.DefaultMargin)
	dir := t.TempDir()
	require.NoError(t, report.WriteBench(dir, now, &c))
	path := filepath.Join(dir, report.BenchFile)
	requireSound(t, ctx, path)
	for name, look := range map[string]struct {
		scheme string
		width  float64
		paper  string
	}{"light": {"light", 1100, "rgb(255, 255, 255)"}, "dark": {"dark", 1100, "rgb(20, 23, 27)"}, "narrow": {"dark", 360, "rgb(20, 23, 27)"}} {
		png := picture(t, ctx, path, look.scheme, look.width, 0)
		if *benchLooks != "" {
			require.NoError(t, os.WriteFile(filepath.Join(*benchLooks, name+".png"), png, 0o600))
		}
		var paper string
		require.NoError(t, chromedp.Run(ctx, chromedp.Evaluate(`getComputedStyle(document.documentElement).backgroundColor`, &paper)))
		require.Equal(t, look.paper, paper, name)
	}
}

// TestThePictureOfABench is how "make pictures" takes it.
func TestThePictureOfABench(t *testing.T) {
	if *benchPicture == "" {
		t.Skip(`it writes a file: "make pictures" runs it`)
	}
	results, err := stats.Load(*benchOf)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, report.WriteBench(dir, results, nil))
	const width, height = 900, 780
	png := picture(t, browser(t), filepath.Join(dir, report.BenchFile), "light", width, height)
	require.NoError(t, os.WriteFile(*benchPicture, png, 0o644))
}

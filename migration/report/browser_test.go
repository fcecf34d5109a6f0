package report_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/migration/report"
)

// browser starts a Chromium, or skips the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Skip("there is no Chromium to open pages in: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A look is what a page is when it has been opened.
type look struct {
	Links            []string
	Missing          []string // anchors that lead nowhere
	Width, Page      int      // of the window, and of what is in it
	Headings, Tables int
	Unnamed          int // pictures without a text, and tables without a head
	Scripts          int
}

const looking = `(() => {
	const all = q => [...document.querySelectorAll(q)];
	return {
		Links: all('a[href]').map(a => a.getAttribute('href')),
		Missing: all('a[href^="#"]').map(a => a.getAttribute('href').slice(1)).filter(id => !document.getElementById(id)),
		Width: window.innerWidth, Page: document.documentElement.scrollWidth,
		Headings: all('h1, h2').length, Tables: all('table').length,
		Unnamed: all('svg').filter(s => !s.getAttribute('aria-label')).length + all('table').filter(t => !t.querySelector('th[scope=col]')).length,
		Scripts: all('script, link[rel=stylesheet], img, iframe').length,
	};
})()`

// open opens a page in a window of that width, and returns what it is and what its console
// has.
func open(t *testing.T, ctx context.Context, page string, width int64) (found look, console []string) {
	t.Helper()
	var mu sync.Mutex
	listen, stop := context.WithCancel(ctx)
	defer stop()
	chromedp.ListenTarget(listen, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			console = append(console, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			console = append(console, e.ExceptionDetails.Text)
		}
	})
	require.NoError(t, chromedp.Run(ctx, log.Enable(), chromedp.EmulateViewport(width, 900), chromedp.Navigate("file://"+page), chromedp.Evaluate(looking, &found)))
	mu.Lock()
	defer mu.Unlock()
	return found, console
}

// requireSound fails over anything that is wrong with a page at any width.
func requireSound(t *testing.T, ctx context.Context, page string) look {
	t.Helper()
	var found look
	for _, width := range []int64{360, 1200} {
		var console []string
		found, console = open(t, ctx, page, width)
		require.Empty(t, console, page)
		require.Empty(t, found.Missing, page)
		require.LessOrEqual(t, found.Page, found.Width, "%s is wider than a window of %d", page, width)
		require.Zero(t, found.Unnamed, page)
		require.Zero(t, found.Scripts, page)
		for _, link := range found.Links {
			if strings.HasPrefix(link, "#") {
				continue
			}
			u, err := url.Parse(link)
			require.NoError(t, err)
			require.Empty(t, u.Scheme+u.Host, "%s leads out of the report: %s", page, link)
			require.FileExists(t, filepath.Join(filepath.Dir(page), u.Path), page)
		}
	}
	return found
}

func TestARunsPageOpensInABrowserAndItsLinksLeadSomewhere(t *testing.T) {
	ctx := browser(t)
	for _, k := range kinds() {
		dir, result := k.make(t)
		hostile := filepath.Join(dir, `a "b" <i>&#?.txt`)
		require.NoError(t, os.WriteFile(hostile, []byte("x"), 0o600))
		require.NoError(t, report.WriteRun(dir, result))
		found := requireSound(t, ctx, filepath.Join(dir, report.HTMLFile))
		require.GreaterOrEqual(t, found.Headings, 8)
		require.GreaterOrEqual(t, found.Tables, 2)
	}
}

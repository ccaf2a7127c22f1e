// Package browsertest drives the demo portal with a real browser, headless
// Chromium over the DevTools protocol. Only tests import it.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// startupMax bounds the start of the browser and lifeMax its whole life, so that
// a hanging page ends one test and not the run.
const (
	startupMax = 60 * time.Second
	lifeMax    = 5 * time.Minute
)

// userAgent is that of a person's browser: the enricher takes a headless one for a
// bot, whose events count in no score.
const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

// executables are the names under which systems install the browser.
func executables() []string {
	return []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
}

// NewBrowser starts a browser with an empty profile and gives the context of its
// first tab, which has the focus. The test skips when no browser is installed,
// unless REQUIRE_SERVICES=1 makes that a failure. Cleanup closes the browser; cancel
// does it earlier.
func NewBrowser(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	path := ""
	for _, name := range executables() {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	switch {
	case path != "":
	case os.Getenv("REQUIRE_SERVICES") == "1":
		t.Fatalf("no browser: install one of %v (REQUIRE_SERVICES=1 makes it mandatory)", executables())
	default:
		t.Skipf("no browser: install one of %v to run this test", executables())
	}
	base, stop := context.WithTimeout(context.Background(), lifeMax)
	alloc, closeBrowser := chromedp.NewExecAllocator(base,
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("user-agent", userAgent),
		chromedp.Env("TZ=Europe/Berlin", "LANG=en_US.UTF-8"), // UTC and no language speak for a bot as well
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
	)
	ctx, closeTab := chromedp.NewContext(alloc, chromedp.WithErrorf(t.Logf))
	cancel := func() {
		closeTab()
		closeBrowser()
		stop()
	}
	t.Cleanup(cancel)
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)) }()
	select {
	case err := <-started:
		if err != nil {
			t.Fatalf("starting %s: %v", path, err)
		}
	case <-time.After(startupMax):
		cancel()
		t.Fatalf("starting %s: no answer within %s", path, startupMax)
	}
	SetFocus(ctx, t, true)
	return ctx, cancel
}

// SetFocus makes the tab believe that it has the focus and is visible, whatever
// other tabs and windows do; false leaves it to the browser.
func SetFocus(ctx context.Context, t testing.TB, on bool) {
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: on}); err != nil {
		t.Fatalf("setting focus emulation: %v", err)
	}
}

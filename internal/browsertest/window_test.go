package browsertest

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

// newTab opens a tab of its own in the browser of ctx, with focus.
func newTab(ctx context.Context, t *testing.T) context.Context {
	t.Helper()
	tab, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	// The first call binds the tab's life to its context, so it has no timeout of its own.
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1000, 600)); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	SetFocus(tab, t, true)
	return tab
}

// hide minimises the tab's window: hidden and without focus.
func hide(ctx context.Context, t *testing.T) {
	t.Helper()
	SetFocus(ctx, t, false)
	setWindow(ctx, t, browser.WindowStateMinimized)
	waitFor(ctx, t, `document.visibilityState === "hidden"`)
}

// show undoes hide.
func show(ctx context.Context, t *testing.T) {
	t.Helper()
	setWindow(ctx, t, browser.WindowStateNormal)
	SetFocus(ctx, t, true)
	waitFor(ctx, t, `document.visibilityState === "visible" && document.hasFocus()`)
}

func setWindow(ctx context.Context, t *testing.T, state browser.WindowState) {
	t.Helper()
	w, err := chromedp.CallBrowser(ctx, browser.GetWindowForTarget,
		browser.GetWindowForTargetParams{TargetID: chromedp.FromContext(ctx).Target.TargetID})
	if err != nil {
		t.Fatal(err)
	}
	_, err = chromedp.CallBrowser(ctx, browser.SetWindowBounds,
		browser.SetWindowBoundsParams{WindowID: w.WindowID, Bounds: &browser.Bounds{WindowState: state}})
	if err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until a condition holds in the page.
func waitFor(ctx context.Context, t *testing.T, condition string) {
	t.Helper()
	eventually(t, condition, func() bool { return eval[bool](ctx, t, condition) })
}

package chdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Version is the release of the npm packages @chdb/lib-* that this binding was
// written and tested against; scripts/libchdb installs exactly this one.
const Version = "26.7.3-stable.1"

// ErrNotFound is what [NotFoundError] wraps, for errors.Is.
var ErrNotFound = errors.New("libchdb not found")

// NotFoundError says where libchdb was looked for and what to run.
type NotFoundError struct {
	// Looked holds the paths tried, in order.
	Looked []string
	// Platform is the npm package suffix of this machine, empty when libchdb
	// has no build for it.
	Platform string
}

// Error implements error.
func (e *NotFoundError) Error() string {
	var b strings.Builder
	b.WriteString("libchdb (the embedded ClickHouse engine) not found; looked at ")
	b.WriteString(strings.Join(e.Looked, ", "))
	if e.Platform == "" {
		fmt.Fprintf(&b, "; there is no build of it for %s/%s: point PartnerPulse at a ClickHouse server instead",
			runtime.GOOS, runtime.GOARCH)
		return b.String()
	}
	b.WriteString("; run `make deps` (or scripts/libchdb/install.sh) to fetch it, " +
		"or set PARTNERPULSE_LIBCHDB to a libchdb.so you have")
	return b.String()
}

// Unwrap lets errors.Is(err, ErrNotFound) hold.
func (e *NotFoundError) Unwrap() error { return ErrNotFound }

// Locate returns the path of libchdb.so: configured if it is not empty (then
// nothing else is tried), else the first that exists of the cache folder that
// scripts/libchdb/install.sh fills and the system library folders.
// The error is a *NotFoundError.
func Locate(configured string) (string, error) {
	candidates := []string{configured}
	if configured == "" {
		candidates = searchPath(os.Getenv)
	}
	for _, c := range candidates {
		if st, err := os.Stat(c); err == nil && st.Mode().IsRegular() {
			return filepath.Abs(c)
		}
	}
	return "", &NotFoundError{Looked: candidates, Platform: platform(runtime.GOOS, runtime.GOARCH)}
}

// searchPath lists the default places, first hit wins.
func searchPath(getenv func(string) string) []string {
	var paths []string
	if root := cacheRoot(getenv); root != "" {
		if p := platform(runtime.GOOS, runtime.GOARCH); p != "" {
			paths = append(paths, filepath.Join(root, "libchdb", Version,
				"node_modules", "@chdb", "lib-"+p, "libchdb.so"))
		}
	}
	return append(paths, "/usr/local/lib/libchdb.so", "/usr/lib/libchdb.so")
}

// cacheRoot mirrors install.sh: the two must agree.
func cacheRoot(getenv func(string) string) string {
	if d := getenv("PARTNERPULSE_CACHE_DIR"); d != "" {
		return d
	}
	if d := getenv("XDG_CACHE_HOME"); d != "" {
		return filepath.Join(d, "partnerpulse")
	}
	if d := getenv("HOME"); d != "" {
		return filepath.Join(d, ".cache", "partnerpulse")
	}
	return ""
}

// platform is the npm suffix of the package for an operating system and
// architecture, or "" where none is published.
func platform(goos, goarch string) string {
	switch goos + "/" + goarch {
	case "linux/amd64":
		return "linux-x64-gnu"
	case "linux/arm64":
		return "linux-arm64-gnu"
	case "darwin/amd64":
		return "darwin-x64"
	case "darwin/arm64":
		return "darwin-arm64"
	}
	return ""
}

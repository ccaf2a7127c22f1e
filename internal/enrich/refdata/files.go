package refdata

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"partnerpulse/internal/enrich"
)

// Config names the files. An empty name leaves its steps without data.
type Config struct {
	// PlacesFile is a MaxMind database (.mmdb) of cities or countries.
	PlacesFile string `yaml:"places_file"`
	// DatacentresFile lists prefixes of datacentres, one a line.
	DatacentresFile string `yaml:"datacentres_file"`
	// CheckInterval is how often the files are looked at for a change. Default 10 s.
	CheckInterval time.Duration `yaml:"check_interval"`
	// Directory bounds what is kept of the directory.
	Directory DirectoryConfig `yaml:"directory"`
}

// DefaultConfig names no files.
func DefaultConfig() Config {
	return Config{CheckInterval: 10 * time.Second, Directory: DefaultDirectoryConfig()}
}

// Setter takes new reference data; *enrich.Chain is one.
type Setter interface {
	SetReference(ref enrich.Reference)
}

// Files keeps the reference data of files fresh.
type Files struct {
	cfg    Config
	reload <-chan struct{}
	to     Setter
	log    *zap.Logger
	loads  *prometheus.CounterVec
	ref    enrich.Reference
	seen   map[string]stamp
}

// stamp tells one state of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

// NewFiles makes a keeper. reload asks to read the files at once; nil: nobody asks.
func NewFiles(cfg Config, reload <-chan struct{}, to Setter, log *zap.Logger, reg prometheus.Registerer) *Files {
	if cfg.CheckInterval <= 0 {
		cfg.CheckInterval = DefaultConfig().CheckInterval
	}
	return &Files{
		cfg: cfg, reload: reload, to: to, log: log, seen: map[string]stamp{},
		loads: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_enrichment_reference_loads_total",
			Help: "Attempts to read a file of reference data (places, datacentres) by result (ok, failed).",
		}, []string{"file", "result"}),
	}
}

// Load reads the files for the first time. A file that is missing or broken is told
// once and leaves its fields empty: events are worth more than their place.
func (f *Files) Load() { f.check(true) }

// Run reads files that change, until ctx ends. A file that went bad leaves the data
// as it was.
func (f *Files) Run(ctx context.Context) error {
	if f.cfg.PlacesFile == "" && f.cfg.DatacentresFile == "" {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(f.cfg.CheckInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.reload:
			f.check(true)
		case <-tick.C:
			f.check(false)
		}
	}
}

// check reads what has changed, or everything.
func (f *Files) check(all bool) {
	changed := f.one("places", f.cfg.PlacesFile, all, func(file string) (string, error) {
		places, err := ReadPlaces(file)
		if err != nil {
			return "", err
		}
		f.ref.Places = places
		return places.Version(), nil
	})
	if f.one("datacentres", f.cfg.DatacentresFile, all, func(file string) (string, error) {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading the prefixes of datacentres: %w", err)
		}
		prefixes, err := enrich.ParsePrefixes(text)
		if err != nil {
			return "", fmt.Errorf("reading the prefixes of datacentres %s: %w", file, err)
		}
		f.ref.Datacentres = prefixes
		return prefixes.Version(), nil
	}) {
		changed = true
	}
	if changed {
		f.to.SetReference(f.ref)
	}
}

// one reads a file if it changed, and tells whether there is something new.
func (f *Files) one(what, file string, always bool, read func(file string) (version string, err error)) bool {
	if file == "" {
		return false
	}
	now := stampOf(file)
	if before, looked := f.seen[file]; looked && !always && before == now {
		return false
	}
	f.seen[file] = now
	version, err := read(file)
	if err != nil {
		f.loads.WithLabelValues(what, "failed").Inc()
		f.log.Warn("reference data cannot be read: what depends on it stays as it was, or empty", zap.String("data", what), zap.Error(err))
		return false
	}
	f.loads.WithLabelValues(what, "ok").Inc()
	f.log.Info("read reference data", zap.String("data", what), zap.String("file", file), zap.String("version", version))
	return true
}

// stampOf gives the zero stamp for a file that is not there.
func stampOf(file string) stamp {
	var info fs.FileInfo
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}
	}
	return stamp{modified: info.ModTime(), size: info.Size()}
}

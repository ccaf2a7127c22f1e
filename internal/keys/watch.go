package keys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"
)

// WatchInterval is how often a file of keys is looked at.
const WatchInterval = 2 * time.Second

// Watcher keeps a ring as a file says, without a restart. A file that cannot be
// read, or that names an invalid key, leaves the keys as they were.
type Watcher struct {
	path     string
	fixed    []Key // valid besides those of the file
	interval time.Duration
	reload   <-chan struct{}
	ring     *Ring
	log      *zap.Logger
	seen     os.FileInfo // of the file as last looked at; nil: it was not there
	loads    *prometheus.CounterVec
	count    prometheus.Gauge
}

// NewWatcher makes a watcher of the file at path; keys of fixed are valid besides
// its own. A value on reload, which may be nil, reads the file at once.
func NewWatcher(path string, fixed []Key, reload <-chan struct{}, ring *Ring, log *zap.Logger, reg prometheus.Registerer) *Watcher {
	f := promauto.With(reg)
	return &Watcher{
		path: path, fixed: fixed, interval: WatchInterval, reload: reload, ring: ring, log: log,
		loads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_keys_loads_total", Help: "Readings of the file of keys after a change, by result (ok, error).",
		}, []string{"result"}),
		count: f.NewGauge(prometheus.GaugeOpts{Name: "partnerpulse_keys_count", Help: "Write keys that are known."}),
	}
}

// Load reads the file and makes its keys the valid ones. On error the old keys stay.
func (w *Watcher) Load() error {
	// Looked at before it is read: a change in between is then seen next time.
	w.seen, _ = os.Stat(w.path)
	ks, err := ReadFile(w.path)
	if err == nil {
		all := append(append(make([]Key, 0, len(w.fixed)+len(ks)), w.fixed...), ks...)
		if len(all) == 0 {
			err = errors.New("there are no keys in it: nobody could send anything")
		} else if err = w.ring.Replace(all); err == nil {
			w.count.Set(float64(len(all)))
		}
	}
	if err != nil {
		w.loads.WithLabelValues("error").Inc()
		return fmt.Errorf("loading keys from %s: %w", w.path, err)
	}
	w.loads.WithLabelValues("ok").Inc()
	return nil
}

// Run follows the file until ctx ends. Call Load before, to learn of mistakes.
func (w *Watcher) Run(ctx context.Context) error {
	ticker := time.NewTicker(w.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.reload:
		case <-ticker.C:
			if !w.changed() {
				continue
			}
		}
		if err := w.Load(); err != nil {
			w.log.Error("the file of keys is not usable; the keys stay as they were", zap.Error(err))
			continue
		}
		w.log.Info("keys were loaded", zap.String("file", w.path))
	}
}

// changed tells whether the file is another one than last time.
func (w *Watcher) changed() bool {
	info, err := os.Stat(w.path)
	if err != nil || w.seen == nil {
		return (err == nil) != (w.seen != nil)
	}
	return !info.ModTime().Equal(w.seen.ModTime()) || info.Size() != w.seen.Size() || !os.SameFile(info, w.seen)
}

package httpserver

import (
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// AccessLog says which requests are logged. It never holds query strings, where
// browsers carry keys and identities, nor addresses of clients.
type AccessLog struct {
	// SuccessPerSecond and FailurePerSecond bound the lines about answers below 400
	// and from 400 on; 0 logs none.
	SuccessPerSecond int `yaml:"success_per_second"`
	FailurePerSecond int `yaml:"failure_per_second"`
}

// logged wraps h so that a sample of its answers is logged.
func (a AccessLog) logged(h http.Handler, log *zap.Logger) http.Handler {
	if a.SuccessPerSecond <= 0 && a.FailurePerSecond <= 0 {
		return h
	}
	success, failure := sampled(log, a.SuccessPerSecond), sampled(log, a.FailurePerSecond)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen := &watchedWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(seen, r)
		to := success
		if seen.status >= http.StatusBadRequest {
			to = failure
		}
		if to == nil {
			return
		}
		to.Info("request", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Int("status", seen.status),
			zap.Int64("bytes_in", r.ContentLength), zap.Int64("bytes_out", seen.bytes), zap.Duration("took", time.Since(start)))
	})
}

// sampled gives a logger of at most perSecond lines a second; nil for none.
func sampled(log *zap.Logger, perSecond int) *zap.Logger {
	if perSecond <= 0 {
		return nil
	}
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, perSecond, 0)
	}))
}

// watchedWriter notes status and size of an answer.
type watchedWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
	wrote  bool
}

// WriteHeader notes the first final status.
func (w *watchedWriter) WriteHeader(status int) {
	if !w.wrote && status >= http.StatusOK {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (w *watchedWriter) Write(b []byte) (int, error) {
	w.wrote = true
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController find the connection.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

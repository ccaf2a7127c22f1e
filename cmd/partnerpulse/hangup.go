package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"partnerpulse/internal/app"
)

// onHangup asks for the files of keys and of reference data to be read again with
// each SIGHUP. Without any it leaves the signal alone: then it ends the process, as
// when a terminal is closed.
func onHangup(ctx context.Context, cfg app.Config) <-chan struct{} {
	reference := &cfg.Enricher.Enrichment.Reference
	if cfg.Collector.KeysFile == "" && reference.PlacesFile == "" && reference.DatacentresFile == "" {
		return nil
	}
	reload, hangup := make(chan struct{}), make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
			}
			select {
			case <-ctx.Done():
				return
			case reload <- struct{}{}:
			}
		}
	}()
	return reload
}

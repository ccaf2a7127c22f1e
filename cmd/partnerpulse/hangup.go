package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"partnerpulse/internal/app"
)

// onHangup asks for the keys to be read again with each SIGHUP. Without a file of
// keys it leaves the signal alone: then it ends the process, as when a terminal is closed.
func onHangup(ctx context.Context, cfg app.Config) <-chan struct{} {
	if cfg.Collector.KeysFile == "" {
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

package main

import (
	"os"
	"runtime/debug"
)

// roleMemoryBytes is how much memory a role's process may use before the garbage
// collector works harder. What a role holds is bounded by its configuration and lower;
// this bounds what it has freed and not yet collected, so that the process stays below
// 512 MiB at any lag.
const roleMemoryBytes = 384 << 20

// roleGarbagePercent is how much garbage may come to what is in use before it is
// collected. A role holds little for long: at Go's 100 % it would collect all the time.
const roleGarbagePercent = 400

// limitMemory sets both, unless the operator chose with GOMEMLIMIT and GOGC.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(roleMemoryBytes)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(roleGarbagePercent)
	}
}

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

// limitMemory sets the limit, unless the operator chose one with GOMEMLIMIT.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(roleMemoryBytes)
	}
}

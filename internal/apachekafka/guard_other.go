//go:build !linux

package apachekafka

import "syscall"

// guarded: nothing here ties a child to the life of its parent.
func guarded() *syscall.SysProcAttr { return nil }

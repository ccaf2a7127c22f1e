//go:build !linux

package chaos

import "syscall"

// guarded: nothing here ties a child to the life of the test.
func guarded() *syscall.SysProcAttr { return nil }

package chaos

import "syscall"

// guarded makes the kernel kill the child with the test, however that ends.
func guarded() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

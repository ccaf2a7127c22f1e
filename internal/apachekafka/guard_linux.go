package apachekafka

import "syscall"

// guarded makes the kernel kill the child when the thread that started it ends,
// which it does with its process, however that ends.
func guarded() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

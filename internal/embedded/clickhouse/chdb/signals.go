package chdb

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
)

// sigactionBytes is larger than struct sigaction of glibc (152) and macOS (16):
// the buffers are opaque here, only ever handed back to sigaction.
const sigactionBytes = 256

// signalGuard saves and restores the signal dispositions the Go runtime needs.
//
// libchdb resets deadly signals to their default when it is told not to install
// handlers of its own. Go turns SIGSEGV, SIGBUS and SIGFPE into panics and uses
// SIGURG for preemption, so losing them turns a recoverable panic into a dead
// process.
type signalGuard struct {
	sigaction func(sig int32, act, old unsafe.Pointer) int32
}

func newSignalGuard() (*signalGuard, error) {
	sym, err := purego.Dlsym(purego.RTLD_DEFAULT, "sigaction")
	if err != nil {
		return nil, fmt.Errorf("finding sigaction in libc: %w", err)
	}
	g := &signalGuard{}
	purego.RegisterFunc(&g.sigaction, sym)
	return g, nil
}

func guardedSignals() []syscall.Signal {
	return []syscall.Signal{
		syscall.SIGILL, syscall.SIGABRT, syscall.SIGFPE, syscall.SIGBUS, syscall.SIGSEGV,
		syscall.SIGURG, syscall.SIGTRAP, syscall.SIGSYS, syscall.SIGTSTP, syscall.SIGPIPE,
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP,
	}
}

// keep runs f and puts back every guarded disposition afterwards.
func (g *signalGuard) keep(f func()) {
	signals := guardedSignals()
	saved := make([][sigactionBytes]byte, len(signals))
	ok := make([]bool, len(signals))
	for i, sig := range signals {
		ok[i] = g.sigaction(int32(sig), nil, unsafe.Pointer(&saved[i])) == 0
	}
	f()
	for i, sig := range signals {
		if ok[i] {
			g.sigaction(int32(sig), unsafe.Pointer(&saved[i]), nil)
		}
	}
}

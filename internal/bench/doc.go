// Package bench measures a role against its floor: the least work that could be
// called the job, on the same machine, in the same run, with the same broker and the
// same events. What it reports are ratios of medians over alternating rounds, since
// anything absolute depends on the machine and on what else it does.
//
// The broker, the role and the floor each run in a process of their own, so that the
// CPU time of each is what the system says it is. The load comes from the process
// that measures.
package bench

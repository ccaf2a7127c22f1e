// Package enrich holds the enrichment of events: a chain of steps, each a pure
// function of the event and of reference data that carries its version, and the
// typed columns of the events table that an event's data holds. A step never
// changes the event, does no I/O and knows no clock, so the same event with the
// same configuration and reference data always gives the same row, however often
// it is replayed. docs/ENRICHMENT.md says what each step does and why.
package enrich

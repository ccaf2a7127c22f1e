// Package enrich holds the pure enrichment steps: what a user agent says, and
// the typed columns of the events table that an event's data holds. It does no
// I/O and knows no clock, so an event is enriched the same way each time it is
// replayed.
package enrich

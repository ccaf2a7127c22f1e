// Package segment reads the HTTP calls of Segment's and RudderStack's SDKs (track,
// page, screen, identify, group, alias, and batches of them) and rewrites each as
// events in the form of POST /v1/events, so that they are judged by the same rules.
//
// It is pure: no I/O, no clock. docs/SEGMENT.md has the mapping in a table.
package segment

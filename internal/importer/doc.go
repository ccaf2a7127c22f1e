// Package importer turns CSV files of partners, users, content, courses and training
// commitments into directory events and sends them to a collector, so that what is
// imported has the collector's guarantees. A file is read twice: first everything is
// checked, and only a file without a mistake is sent.
//
// Ids are made of the row and its time, and the time is the file's or given, so that
// a file that is imported again changes nothing.
package importer

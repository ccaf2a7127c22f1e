// Package chdb binds libchdb, the ClickHouse engine as a shared library, with
// purego: no cgo.
//
// libchdb runs one engine per process on one directory. [Open] starts it,
// [DB.Connect] opens sessions on it that run statements at the same time, and
// [DB.Close] stops it; then the process may open the same or another directory.
//
// Known traits of release 26.7.3 that this package absorbs:
//
//   - Switching its signal handlers off resets handlers of the Go runtime; they
//     are saved and restored around every call that can do so.
//   - The output of a failed query stays in the connection and would precede the
//     next query's; it is thrown away.
//   - A connection left open at exit can crash the process: [DB.Close] closes all.
//   - Streaming works for SELECT only, and each chunk is a document of its own.
package chdb

// Package clickhouse is the embedded ClickHouse: the ClickHouse engine as a
// library (libchdb, bound in the sub-package chdb without cgo) behind
// ClickHouse's HTTP interface. clickhouse-go over HTTP, clickhouse-connect
// (Python) and the ClickHouse JDBC driver work against it unchanged.
//
// # Where libchdb is looked for
//
// First hit wins:
//
//  1. Config.LibraryPath (PARTNERPULSE_LIBCHDB); if set, nothing else is tried;
//  2. ${PARTNERPULSE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/partnerpulse}/libchdb/VERSION/node_modules/@chdb/lib-PLATFORM/libchdb.so,
//     which scripts/libchdb/install.sh fills;
//  3. /usr/local/lib/libchdb.so, /usr/lib/libchdb.so.
//
// Otherwise Run returns a *chdb.NotFoundError that says where it looked and what
// to run.
//
// # What is served
//
//   - POST and GET / with the statement in the URL, the body or both; GET is
//     read-only. One statement a request. /ping and /replicas_status.
//   - Query parameters (param_x), database, default_format, query_id,
//     session_id with session_timeout, session_check and close_session,
//     wait_end_of_query, the X-ClickHouse-* headers for all of these, and any
//     setting the engine knows.
//   - INSERT with inline data in every input format. The data is streamed into
//     the engine as it arrives; a client that dies midway inserts nothing that
//     the engine has not already written as a full block, as on a server.
//   - Results of SELECT are streamed in Native, RowBinary…, TSV, CSV, JSONEachRow
//     and their like; other formats (JSON, CSVWithNames, Parquet, …), other
//     statements and wait_end_of_query=1 are computed whole in the engine's memory.
//   - Native at the protocol revision the client asks for. libchdb writes
//     revision 0; the block headers are rewritten, column data passes through.
//   - compress=1 and decompress=1 (LZ4, ZSTD, none), and Content-Encoding gzip,
//     zstd, lz4, br and deflate both ways.
//   - Errors with ClickHouse's code, HTTP status, header and text; an error
//     after the first row as ClickHouse's marked exception block, after which the
//     connection is cut.
//   - Basic, header and URL credentials; with Config.Users they are enforced.
//   - A client that disconnects has its statement killed.
//
// A request's settings and database are applied to a pooled connection by one
// SET of what differs from its last use, never by editing the statement: values
// are quoted, names restricted to letters, digits, _ and dots. Connections that
// a statement has changed (SET, USE, temporary tables) without a session are
// closed instead of reused.
//
// # What is not
//
//   - Users, roles, grants, quotas and row policies: all requests run as the
//     engine's user default. Table functions such as file() and url() reach what
//     the process reaches: listen on loopback, or set Config.Users. Requests of
//     web pages from other origins are refused.
//   - Replicated tables, ON CLUSTER, Keeper; the native TCP protocol.
//   - query_id is echoed, but the engine numbers statements itself: look for them
//     in system.processes by their text or log_comment (which gets a suffix that
//     names the connection). KILL QUERY WHERE query_id = '…' with a client's id
//     finds nothing.
//   - External tables (multipart/form-data), INTO OUTFILE, FROM INFILE,
//     INSERT … SELECT … FROM input(…), PARALLEL WITH, role and quota_key (ignored),
//     progress headers (ignored).
//   - In Native: AggregateFunction states, Dynamic and binary JSON columns. JSON
//     is sent as text (output_format_native_write_json_as_string = 1), which
//     clickhouse-go reads and clickhouse-connect does not. Other formats have no
//     such limit.
//   - In a session, a setting given in the URL is taken back to its default
//     afterwards, not to what a SET in the session had made it.
//
// # Durability
//
// What ClickHouse has acknowledged survives kill -9. For power loss set
// fsync_after_insert and fsync_part_directory. The data directory is locked:
// a second process on it gets an error before the engine touches it.
//
// # Measured
//
// On two shared cores (AMD EPYC), engine, client and server in one process:
//
//	go test ./internal/embedded/clickhouse/... -run '^$' -bench . -benchtime 2s
//
//	SELECT 1 in the engine alone                0.75 ms
//	SELECT 1 by net/http, TSV                   1.3 ms
//	SELECT 1 by clickhouse-go, Native, LZ4      1.1–1.5 ms
//	INSERT of 200k rows × 8 columns, Native     2.1M rows/s
//	SELECT of 1M rows × 2 columns, Native       4.4M rows/s
//	SET of changed settings                     0.14 ms
//	opening one more connection                 0.16 ms
//
// Inserting 489 MB of TSV by curl peaked at 515 MB resident, engine included;
// reading it back as 609 MB of JSONEachRow added nothing. 230 MB in the format
// JSON, which is not streamed, added 460 MB.
package clickhouse

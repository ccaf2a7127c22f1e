package chdb

import (
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// handle is an opaque C pointer owned by libchdb.
type handle = unsafe.Pointer

// library holds the entry points of one dlopen'ed libchdb. Every string is
// passed with its length; nothing here relies on NUL termination except
// connect's argument vector and the error texts libchdb returns.
type library struct {
	path    string
	signals *signalGuard

	version        func() string
	connect        func(argc int32, argv unsafe.Pointer) handle
	closeConn      func(conn handle)
	signalsEnabled func(enabled int32)
	query          func(conn, sql handle, sqlLen uintptr, format handle, formatLen uintptr, names, nameLens, values, valueLens handle, n uintptr) handle
	streamQuery    func(conn, sql handle, sqlLen uintptr, format handle, formatLen uintptr, names, nameLens, values, valueLens handle, n uintptr) handle
	streamFetch    func(conn, result handle) handle
	streamCancel   func(conn, result handle)
	insert         func(conn, sql handle, sqlLen uintptr, format handle, formatLen uintptr, names, nameLens, values, valueLens handle, n uintptr) handle
	insertAppend   func(stream, data handle, dataLen uintptr) int32
	insertDone     func(stream handle) handle
	insertCancel   func(stream handle)
	insertError    func(stream handle) handle
	insertDestroy  func(stream handle)
	resultDestroy  func(result handle)
	resultBuffer   func(result handle) handle
	resultLength   func(result handle) uintptr
	resultError    func(result handle) handle
	resultElapsed  func(result handle) float64
	resultRows     func(result handle) uint64
	resultBytes    func(result handle) uint64
	storageRows    func(result handle) uint64
	storageBytes   func(result handle) uint64
	rowsWritten    func(result handle) uint64
	bytesWritten   func(result handle) uint64
	classifyQuery  func(conn, sql handle, sqlLen uintptr, database handle, databaseLen uintptr, out handle) int32
}

// load opens the shared library and resolves every symbol, so that a library of
// the wrong version fails here and not in the middle of a query.
func load(path string) (*library, error) {
	guard, err := newSignalGuard()
	if err != nil {
		return nil, err
	}
	lib := &library{path: path, signals: guard}
	var handle uintptr
	guard.keep(func() { handle, err = purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL) })
	if err != nil {
		return nil, fmt.Errorf("loading libchdb from %s: %w", path, err)
	}
	for name, fn := range lib.symbols() {
		sym, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("libchdb at %s has no %s (want release %s): %w", path, name, Version, err)
		}
		purego.RegisterFunc(fn, sym)
	}
	guard.keep(func() { lib.signalsEnabled(0) })
	return lib, nil
}

func (l *library) symbols() map[string]any {
	return map[string]any{
		"chdb_version":                     &l.version,
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.closeConn,
		"chdb_set_signal_handlers_enabled": &l.signalsEnabled,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_query_with_params_n":  &l.streamQuery,
		"chdb_stream_fetch_result":         &l.streamFetch,
		"chdb_stream_cancel_query":         &l.streamCancel,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_cancel_insert":        &l.insertCancel,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_destroy_insert_stream":       &l.insertDestroy,
		"chdb_destroy_query_result":        &l.resultDestroy,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_elapsed":              &l.resultElapsed,
		"chdb_result_rows_read":            &l.resultRows,
		"chdb_result_bytes_read":           &l.resultBytes,
		"chdb_result_storage_rows_read":    &l.storageRows,
		"chdb_result_storage_bytes_read":   &l.storageBytes,
		"chdb_result_rows_written":         &l.rowsWritten,
		"chdb_result_bytes_written":        &l.bytesWritten,
		"chdb_classify_query_n":            &l.classifyQuery,
	}
}

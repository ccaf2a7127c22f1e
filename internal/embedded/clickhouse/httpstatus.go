package clickhouse

import (
	"context"
	"errors"
	"net/http"

	"partnerpulse/internal/embedded/clickhouse/chdb"
)

// ClickHouse error codes the front itself raises or maps.
const (
	codeBadArguments         = 36
	codeNotImplemented       = 48
	codeSyntaxError          = 62
	codeCannotDecompress     = 271
	codeReadonly             = 164
	codeTooManyBytes         = 307
	codeIntoOutfileForbidden = 358
	codeQueryWasCancelled    = 394
	codeAuthenticationFailed = 516
	codeUnknownException     = 1002
)

// asException turns any error into one with a ClickHouse code.
func asException(err error) *chdb.Exception {
	var e *chdb.Exception
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &tooBig), errors.Is(err, errBodyTooLarge):
		return &chdb.Exception{Code: codeTooManyBytes, Name: "TOO_MANY_BYTES", Message: err.Error()}
	case errors.Is(err, errCorruptBody):
		return &chdb.Exception{Code: codeCannotDecompress, Name: "CANNOT_DECOMPRESS", Message: err.Error()}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &chdb.Exception{Code: codeQueryWasCancelled, Name: "QUERY_WAS_CANCELLED", Message: err.Error()}
	}
	return &chdb.Exception{Code: codeUnknownException, Name: "UNKNOWN_EXCEPTION", Message: err.Error()}
}

// httpStatus is the HTTP status ClickHouse answers an error code with.
func httpStatus(code int) int {
	switch code {
	case 194: // REQUIRED_PASSWORD
		return http.StatusUnauthorized
	case 192, 193, codeAuthenticationFailed, 497, codeReadonly: // UNKNOWN_USER, WRONG_PASSWORD, …, ACCESS_DENIED
		return http.StatusForbidden
	case 6, 25, 26, 27, 38, 41, 72, 467, 675, 676, 376, // CANNOT_PARSE_…
		43, 53, 70, 69, 62, 117, 131, 321, 456, 457, // types, syntax, data, query parameters
		codeBadArguments, codeIntoOutfileForbidden, codeCannotDecompress,
		42, 80, 184, 215, 386: // number of arguments, incorrect query, aggregates
		return http.StatusBadRequest
	case 46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 372, 16, 8: // UNKNOWN_…, SESSION_NOT_FOUND, no such column
		return http.StatusNotFound
	case codeTooManyBytes:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeSessionIsLocked:
		return http.StatusLocked
	case 159: // TIMEOUT_EXCEEDED
		return http.StatusRequestTimeout
	case 202, 209, 210, 439: // TOO_MANY_SIMULTANEOUS_QUERIES, SOCKET_TIMEOUT, NETWORK_ERROR, CANNOT_SCHEDULE_TASK
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

package chstore

import (
	"errors"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ClickHouse's codes that say that the data itself is at fault
// (src/Common/ErrorCodes.cpp). Codes about the statement, the schema, memory,
// the disk or the network are not here: an operator or time mends those.
const (
	codeCannotParseText               = 6
	codeCannotParseQuotedString       = 26
	codeCannotParseInput              = 27
	codeCannotParseDate               = 38
	codeCannotParseDateTime           = 41
	codeTypeMismatch                  = 53
	codeArgumentOutOfBound            = 69
	codeCannotConvertType             = 70
	codeCannotParseNumber             = 72
	codeIncorrectData                 = 117
	codeTooLargeStringSize            = 131
	codeValueIsOutOfRangeOfType       = 321
	codeCannotInsertNull              = 349
	codeDecimalOverflow               = 407
	codeViolatedConstraint            = 469
	codeUnknownElementOfEnum          = 691
	codeUnknownDatabase         int32 = 81
)

// IsRetryable tells whether repeating the same insert can succeed. It is false
// only when the data itself is refused, by the client or by ClickHouse.
func IsRetryable(err error) bool {
	if err == nil || errors.Is(err, ErrRefused) {
		return false
	}
	var ex *clickhouse.Exception
	if !errors.As(err, &ex) {
		return true
	}
	switch ex.Code {
	case codeCannotParseText, codeCannotParseQuotedString, codeCannotParseInput, codeCannotParseDate,
		codeCannotParseDateTime, codeTypeMismatch, codeArgumentOutOfBound, codeCannotConvertType,
		codeCannotParseNumber, codeIncorrectData, codeTooLargeStringSize, codeValueIsOutOfRangeOfType,
		codeCannotInsertNull, codeDecimalOverflow, codeViolatedConstraint, codeUnknownElementOfEnum:
		return false
	}
	return true
}

// IsUnknownDatabase tells a database that has not been created yet.
func IsUnknownDatabase(err error) bool {
	var ex *clickhouse.Exception
	return errors.As(err, &ex) && ex.Code == codeUnknownDatabase
}

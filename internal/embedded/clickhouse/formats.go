package clickhouse

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// defaultFormat of ClickHouse's HTTP interface.
const defaultFormat = "TabSeparated"

// contentType is the media type ClickHouse announces for an output format.
func contentType(format string) string {
	f := strings.ToLower(format)
	switch {
	case strings.HasPrefix(f, "json"), f == "ndjson", f == "prettyjsoneachrow", f == "prettyndjson":
		if f == "jsoneachrow" || f == "jsonlines" || f == "ndjson" || strings.HasSuffix(f, "eachrow") {
			return "application/x-ndjson; charset=UTF-8"
		}
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(f, "csv"):
		present := "absent"
		if strings.Contains(f, "withnames") {
			present = "present"
		}
		return "text/csv; charset=UTF-8; header=" + present
	case strings.HasPrefix(f, "tabseparated"), strings.HasPrefix(f, "tsv"):
		return "text/tab-separated-values; charset=UTF-8"
	case f == "native", f == "rowbinary", strings.HasPrefix(f, "rowbinary"), strings.HasPrefix(f, "arrow"),
		f == "parquet", f == "orc", f == "avro", f == "protobuf", f == "msgpack", f == "npy", f == "capnproto":
		return "application/octet-stream"
	case f == "xml":
		return "application/xml; charset=UTF-8"
	case f == "markdown":
		return "text/markdown; charset=UTF-8"
	case f == "sqlinsert":
		return "text/plain; charset=UTF-8"
	}
	return "text/plain; charset=UTF-8"
}

// streamable reports whether the chunks libchdb streams, each a document of its
// own, can be joined into one. Results in other formats are computed whole.
func streamable(format string) bool {
	switch strings.ToLower(format) {
	case "native", "rowbinary", "rowbinarywithnames", "rowbinarywithnamesandtypes",
		"tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv",
		"jsoneachrow", "jsonlines", "ndjson", "jsoncompacteachrow", "jsonstringseachrow",
		"jsoncompactstringseachrow", "msgpack", "null":
		return true
	}
	return false
}

// repeatedHeader returns the length of the header that every chunk of a
// streamed result begins with; 0 for formats without one.
func repeatedHeader(format string, chunk []byte) int {
	var lists uint64
	switch strings.ToLower(format) {
	case "rowbinarywithnames":
		lists = 1
	case "rowbinarywithnamesandtypes":
		lists = 2
	default:
		return 0
	}
	columns, n := binary.Uvarint(chunk)
	if n <= 0 || columns > uint64(len(chunk)) {
		return 0
	}
	c := &cursor{buf: chunk, pos: n}
	for range columns * lists {
		if _, err := c.str(); err != nil {
			return 0
		}
	}
	return c.pos
}

// trimHeader removes header from a later chunk if it is there.
func trimHeader(chunk, header []byte) []byte {
	return bytes.TrimPrefix(chunk, header)
}

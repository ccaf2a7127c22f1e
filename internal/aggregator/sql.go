package aggregator

import (
	"embed"
	"time"
)

//go:embed sql/*.sql
var statements embed.FS

// query gives the text of sql/name.sql. A missing file is a programming error
// that the first test run shows.
func query(name string) string {
	b, err := statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// date writes a day since 1970-01-01 as a parameter of type Date.
func date(day int32) string {
	return midnight(day).Format(time.DateOnly)
}

// midnight is how a column of type Date takes a day since 1970-01-01.
func midnight(day int32) time.Time { return time.Unix(int64(day)*86400, 0).UTC() }

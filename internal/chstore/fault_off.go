//go:build !faultpoints

package chstore

import (
	"net/http"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// instrument does nothing in a build without fault points.
func instrument(*clickhouse.Options) {}

// instrumentClient does nothing in a build without fault points.
func instrumentClient(*http.Client) {}

// Package schemas holds the contracts as files: JSON Schemas of events and alerts,
// the ClickHouse migrations, and the descriptions of topics and HTTP.
package schemas

import "embed"

// Events holds events/*.json, one JSON Schema 2020-12 per event type.
//
//go:embed events
var Events embed.FS

// Alerts holds alerts/*.json, the JSON Schemas of what is published on the alert topics.
//
//go:embed alerts
var Alerts embed.FS

// ClickHouse holds clickhouse/NNNN_name.sql, the migrations in order.
//
//go:embed clickhouse
var ClickHouse embed.FS

// OpenAPI is openapi.yaml, the collector's HTTP interface. Its references to
// events/*.json are relative.
//
//go:embed openapi.yaml
var OpenAPI []byte

// AsyncAPI is asyncapi.yaml, the topics. Its references to alerts/*.json are
// relative.
//
//go:embed asyncapi.yaml
var AsyncAPI []byte

// Package bi documents the database for BI tools: it writes docs/DATA.md from the
// comments of the views and holds one query for each KPI.
package bi

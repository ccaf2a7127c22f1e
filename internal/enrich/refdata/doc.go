// Package refdata brings the reference data of the enrichment into memory and keeps
// it fresh: a MaxMind database of places, a list of datacentres' prefixes, and what
// the directory topic says of partners and content.
package refdata

package refdata

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/oschwald/maxminddb-golang/v2"

	"partnerpulse/internal/enrich"
)

// Places finds addresses in a MaxMind database of cities or countries: GeoLite2,
// GeoIP2, or another with the same fields (DB-IP).
type Places struct {
	db      *maxminddb.Reader
	version string
}

// ReadPlaces reads the file into memory, so that it may be replaced or removed
// meanwhile.
func ReadPlaces(file string) (*Places, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the database of places: %w", err)
	}
	db, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the database of places %s: %w", file, err)
	}
	meta := db.Metadata
	return &Places{db: db, version: meta.DatabaseType + "-" + meta.BuildTime().UTC().Format("2006-01-02")}, nil
}

// Version is the type of the database and the day it was built.
func (p *Places) Version() string { return p.version }

// Find looks an address up. What the database has no record of, or a broken one,
// is not found.
func (p *Places) Find(address string) (enrich.Place, bool) {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return enrich.Place{}, false
	}
	result := p.db.Lookup(addr)
	if !result.Found() {
		return enrich.Place{}, false
	}
	var record struct {
		Country struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"country"`
		Subdivisions []struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"subdivisions"`
		City struct {
			Names struct {
				English string `maxminddb:"en"`
			} `maxminddb:"names"`
		} `maxminddb:"city"`
	}
	if err := result.Decode(&record); err != nil {
		return enrich.Place{}, false
	}
	place := enrich.Place{Country: record.Country.Code, City: record.City.Names.English}
	if len(record.Subdivisions) > 0 {
		place.Region = record.Subdivisions[0].Code
	}
	return place, place != enrich.Place{}
}

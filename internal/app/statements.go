package app

import (
	"partnerpulse/internal/collector"
	"partnerpulse/internal/xapistore"
)

// lrs gives what finds xAPI statements and what keeps state documents, and their
// end. A collector without ClickHouse has only its memory.
func (a *app) lrs() (found collector.Statements, kept collector.Documents, end func() error, err error) {
	if len(a.cfg.ClickHouse.Addr) == 0 {
		return nil, nil, func() error { return nil }, nil
	}
	db, err := a.store("collector")
	if err != nil {
		return nil, nil, nil, err
	}
	return xapistore.New(db), xapistore.NewDocuments(db, a.cfg.Collector.XAPI.DocumentBytesMax), db.Close, nil
}

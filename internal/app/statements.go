package app

import (
	"partnerpulse/internal/collector"
	"partnerpulse/internal/xapistore"
)

// statements gives what finds xAPI statements, and its end. A collector without
// ClickHouse finds only those in its memory.
func (a *app) statements() (found collector.Statements, end func() error, err error) {
	if len(a.cfg.ClickHouse.Addr) == 0 {
		return nil, func() error { return nil }, nil
	}
	db, err := a.store("collector")
	if err != nil {
		return nil, nil, err
	}
	return xapistore.New(db), db.Close, nil
}

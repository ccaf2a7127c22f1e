package bench

import (
	"fmt"
	"strings"
)

// EnricherReport is what a measurement of the enricher found. All figures are medians
// over the rounds.
type EnricherReport struct {
	Name        string                  `json:"name"`
	Unit        string                  `json:"unit"` // of ours and floors
	Ours        float64                 `json:"ours"`
	Floors      map[string]float64      `json:"floors"`
	Ratios      map[string]float64      `json:"ratios"`          // ours ÷ floor
	RoundRatios map[string][]float64    `json:"ratios_by_round"` // by floor
	Parties     map[string]PartyFigures `json:"parties"`
	Exact       EnricherExactness       `json:"exact"`
	Setting     EnricherSetting         `json:"setting"`
	Engines     string                  `json:"engines"`
	Environs    Environment             `json:"environment"`
}

// PartyFigures say what a party needs for one event.
type PartyFigures struct {
	EventsPerSecond float64 `json:"events_per_second"`
	BrokerMicros    float64 `json:"broker_cpu_us"` // CPU time of the broker's process, microseconds an event
	StoreMicros     float64 `json:"store_cpu_us"`  // of ClickHouse's process, its merges included
	ClientMicros    float64 `json:"client_cpu_us"` // of the party's own process
}

// EnricherExactness says that every party stored every event once, and the same rows.
type EnricherExactness struct {
	Events int    `json:"events"`
	Stored int    `json:"stored"`
	Digest string `json:"digest"` // of the columns that all parties fill
}

// EnricherSetting is how was measured.
type EnricherSetting struct {
	Rounds     int `json:"rounds"`
	EventBytes int `json:"event_bytes"` // mean, as on the topic
	BatchRows  int `json:"batch_rows"`  // most rows of an insert
}

// report sums the rounds up.
func (b *enricherBench) report() *EnricherReport {
	r := &EnricherReport{
		Name: "enricher", Unit: "events per CPU-second of broker, store and client together",
		Floors: map[string]float64{}, Ratios: map[string]float64{}, RoundRatios: map[string][]float64{}, Parties: map[string]PartyFigures{},
		Exact:    EnricherExactness{Events: b.cfg.Events, Stored: b.cfg.Events, Digest: fmt.Sprintf("%016x", b.digest)},
		Setting:  EnricherSetting{Rounds: b.cfg.Rounds, EventBytes: b.backlog.meanBytes(), BatchRows: b.stand.BatchRows},
		Engines:  "embedded Kafka (kfake) and embedded ClickHouse (libchdb), a process each",
		Environs: environment(b.stand.Version),
	}
	of := func(party string, f func(drain) float64) float64 {
		var values []float64
		for _, d := range b.samples[party] {
			values = append(values, f(d))
		}
		return median(values)
	}
	for party := range b.samples {
		r.Parties[party] = PartyFigures{
			EventsPerSecond: round(of(party, b.perSecond)),
			BrokerMicros:    of(party, func(d drain) float64 { return b.micros(d.broker) }),
			StoreMicros:     of(party, func(d drain) float64 { return b.micros(d.store) }),
			ClientMicros:    of(party, func(d drain) float64 { return b.micros(d.client) }),
		}
	}
	ours := of(partyOurs, b.perCPU)
	r.Ours = round(ours)
	for _, floor := range []string{partyInsert, partyEngine} {
		f := of(floor, b.perCPU)
		r.Floors[floor], r.Ratios[floor] = round(f), ratio(ours, f)
		for i, d := range b.samples[floor] {
			r.RoundRatios[floor] = append(r.RoundRatios[floor], ratio(b.perCPU(b.samples[partyOurs][i]), b.perCPU(d)))
		}
	}
	return r
}

// String is the report for people.
func (r *EnricherReport) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%-18s %18s %8s %8s   %s", "enricher (medians)", "events/CPU-second", "ratio", "goal", "µs of CPU an event: broker, store, client; events/s")
	row := func(party string, value float64, ratio, goal string) {
		p := r.Parties[party]
		line("%-18s %18.0f %8s %8s   %6.2f %6.2f %6.2f %10.0f", party, value, ratio, goal, p.BrokerMicros, p.StoreMicros, p.ClientMicros, p.EventsPerSecond)
	}
	row(partyOurs, r.Ours, "", "")
	for _, f := range []struct{ name, goal string }{{partyInsert, "≥ 0.50"}, {partyEngine, "≥ 2.50"}} {
		row(f.name, r.Floors[f.name], fmt.Sprintf("%.2f", r.Ratios[f.name]), f.goal)
	}
	line("%d events of %d bytes, %d rounds; every party stored each event once and the same", r.Exact.Events, r.Setting.EventBytes, r.Setting.Rounds)
	line("%s", r.Engines)
	e := r.Environs
	line("%s, %d cores, %s, %s, commit %s, load average %s", e.CPU, e.Cores, e.System, e.Go, e.Commit, e.LoadAvg)
	return b.String()
}

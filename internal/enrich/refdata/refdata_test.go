package refdata_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"partnerpulse/internal/enrich"
	"partnerpulse/internal/enrich/refdata"
	"partnerpulse/internal/event"
)

// writePlaces makes a database in which 203.0.113.0/24 is the city, in place of what
// stands there.
func writePlaces(t *testing.T, file, city string, built time.Time) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: "Test-City", RecordSize: 24, BuildEpoch: built.Unix(), IncludeReservedNetworks: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	insert := func(cidr string, record mmdbtype.Map) {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(network, record); err != nil {
			t.Fatal(err)
		}
	}
	insert("203.0.113.0/24", mmdbtype.Map{
		"country":      mmdbtype.Map{"iso_code": mmdbtype.String("DE"), "geoname_id": mmdbtype.Uint32(1)},
		"subdivisions": mmdbtype.Slice{mmdbtype.Map{"iso_code": mmdbtype.String("BE")}, mmdbtype.Map{"iso_code": mmdbtype.String("XX")}},
		"city":         mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(city), "de": mmdbtype.String("nicht diese")}},
	})
	insert("2001:db8:1::/48", mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("FR")}})
	insert("198.51.100.0/24", mmdbtype.Map{"traits": mmdbtype.Map{"is_anycast": mmdbtype.Bool(true)}})
	f, err := os.CreateTemp(filepath.Dir(file), "new")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.Name(), file); err != nil {
		t.Fatal(err)
	}
}

func TestPlacesAreFoundByNetwork(t *testing.T) {
	file := filepath.Join(t.TempDir(), "city.mmdb")
	writePlaces(t, file, "Berlin", time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	p, err := refdata.ReadPlaces(file)
	if err != nil {
		t.Fatal(err)
	}
	if p.Version() != "Test-City-2026-11-01" {
		t.Errorf("version is %s", p.Version())
	}
	for address, want := range map[string]enrich.Place{
		"203.0.113.0": {Country: "DE", Region: "BE", City: "Berlin"}, "203.0.113.200": {Country: "DE", Region: "BE", City: "Berlin"},
		"2001:db8:1::": {Country: "FR"}, "192.0.2.0": {}, "198.51.100.0": {}, "junk": {},
	} {
		if got, ok := p.Find(address); got != want || ok != (want != enrich.Place{}) {
			t.Errorf("%s: %+v, %v", address, got, ok)
		}
	}
}

// setter notes what it is given.
type setter struct{ refs chan enrich.Reference }

func (s setter) SetReference(ref enrich.Reference) { s.refs <- ref }

func city(t *testing.T, ref enrich.Reference) string {
	t.Helper()
	place, ok := ref.Places.Find("203.0.113.0")
	if !ok {
		t.Fatal("the place is not found")
	}
	return place.City
}

func TestFilesAreReadAgainWhenTheyChangeOrWhenAsked(t *testing.T) {
	dir := t.TempDir()
	cfg := refdata.Config{
		PlacesFile: filepath.Join(dir, "city.mmdb"), DatacentresFile: filepath.Join(dir, "datacentres.txt"), CheckInterval: 10 * time.Millisecond,
	}
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	writePlaces(t, cfg.PlacesFile, "Berlin", built)
	core, logs := observer.New(zapcore.InfoLevel)
	to, reload := setter{make(chan enrich.Reference, 1)}, make(chan struct{})
	files := refdata.NewFiles(cfg, reload, to, zap.New(core), prometheus.NewRegistry())
	files.Load()
	first := <-to.refs
	if city(t, first) != "Berlin" || first.Datacentres != nil {
		t.Errorf("at first: %+v", first)
	}
	if missing := logs.FilterLevelExact(zapcore.WarnLevel).All(); len(missing) != 1 || !strings.Contains(missing[0].ContextMap()["error"].(string), "datacentres.txt") {
		t.Errorf("a missing file is told by %v", missing)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- files.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	if err := os.WriteFile(cfg.DatacentresFile, []byte("198.51.100.0/24 cloud\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := <-to.refs
	if second.Datacentres.Ranges() != 1 || city(t, second) != "Berlin" {
		t.Errorf("after a file came: %+v", second)
	}
	writePlaces(t, cfg.PlacesFile, "Potsdam-Babelsberg", built.AddDate(0, 0, 1))
	if third := <-to.refs; city(t, third) != "Potsdam-Babelsberg" || third.Places.Version() != "Test-City-2026-11-02" || third.Datacentres.Ranges() != 1 {
		t.Errorf("after a new database: %+v", third)
	}
	if city(t, first) != "Berlin" {
		t.Error("the old data changed under its reader")
	}
	reload <- struct{}{}
	if fourth := <-to.refs; city(t, fourth) != "Potsdam-Babelsberg" {
		t.Errorf("when asked: %+v", fourth)
	}
}

func TestABrokenFileLeavesTheDataAsItWas(t *testing.T) {
	dir := t.TempDir()
	cfg := refdata.Config{PlacesFile: filepath.Join(dir, "city.mmdb")}
	writePlaces(t, cfg.PlacesFile, "Berlin", time.Now())
	to, reload := setter{make(chan enrich.Reference, 1)}, make(chan struct{})
	core, logs := observer.New(zapcore.WarnLevel)
	files := refdata.NewFiles(cfg, reload, to, zap.New(core), prometheus.NewRegistry())
	files.Load()
	<-to.refs
	if err := os.WriteFile(cfg.PlacesFile, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- files.Run(ctx) }()
	reload <- struct{}{}
	reload <- struct{}{} // taken after the first one was worked off
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	select {
	case ref := <-to.refs:
		t.Errorf("a broken file was taken: %+v", ref)
	default:
	}
	if logs.Len() == 0 {
		t.Error("nothing was told")
	}
}

func TestTheDirectoryKeepsTheLatestDescription(t *testing.T) {
	d := refdata.NewDirectory(refdata.DirectoryConfig{PartnersMax: 2, ContentMax: 1}, prometheus.NewRegistry())
	at := time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC)
	describe := func(kind event.Type, partner, data string, age time.Duration) error {
		e := &event.Event{ID: "e", Type: kind, Tenant: "demo", PartnerID: partner, Time: at.Add(-age), ReceivedAt: at, Source: event.SourceAPI, Data: []byte(data)}
		key, err := event.DirectoryKey(e)
		if err != nil {
			t.Fatal(err)
		}
		value, err := event.MarshalCloudEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		return d.Apply([]byte(key), value)
	}
	for _, err := range []error{
		describe(event.PartnerUpserted, "p-1", `{"tier":"gold","segment":"smb","region":5}`, 0),
		describe(event.PartnerUpserted, "p-1", `{"tier":"silver"}`, time.Hour), // older
		describe(event.PartnerUpserted, "p-2", `{"tier":"basic"}`, 0),
		describe(event.PartnerUpserted, "p-3", `{"tier":"one too many"}`, 0),
		describe(event.ContentPublished, "-", `{"content_id":"c-1","title":"Battlecard","kind":"pdf"}`, 0),
		describe(event.UserUpserted, "p-1", `{"user_id":"anna"}`, 0),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if p, ok := d.Partner("demo", "p-1"); !ok || p != (enrich.PartnerAttributes{Tier: "gold", Segment: "smb"}) {
		t.Errorf("p-1 is %+v, %v", p, ok)
	}
	if c, ok := d.Content("demo", "c-1"); !ok || c != (enrich.ContentAttributes{Title: "Battlecard", Kind: "pdf"}) {
		t.Errorf("c-1 is %+v, %v", c, ok)
	}
	for _, no := range []struct{ tenant, partner string }{{"demo", "p-3"}, {"other", "p-1"}, {"demo", ""}} {
		if p, ok := d.Partner(no.tenant, no.partner); ok {
			t.Errorf("%v is %+v", no, p)
		}
	}
	if err := d.Apply([]byte("demo/p-1"), []byte("junk")); err == nil {
		t.Error("junk was taken")
	}
	for _, key := range []string{"demo/p-1", "demo/-" + event.EntitySeparator + "content" + event.EntitySeparator + "c-1", "nonsense"} {
		if err := d.Apply([]byte(key), nil); err != nil {
			t.Error(err)
		}
	}
	if _, ok := d.Partner("demo", "p-1"); ok {
		t.Error("a tombstone left the partner")
	}
	if _, ok := d.Content("demo", "c-1"); ok {
		t.Error("a tombstone left the content")
	}
}

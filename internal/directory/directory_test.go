package directory_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"partnerpulse/internal/directory"
	"partnerpulse/internal/event"
)

var start = time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)

func newDirectory(t testing.TB, cfg directory.Config) (*directory.Directory, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	d, err := directory.New(cfg, reg)
	if err != nil {
		t.Fatal(err)
	}
	return d, reg
}

func described(user, partner string, at time.Time) directory.Membership {
	return directory.Membership{Tenant: "acme", UserID: user, PartnerID: partner, At: at, Trust: directory.Described}
}

func record(t testing.TB, user, partner string, at time.Time) (key, value []byte) {
	t.Helper()
	e := &event.Event{
		ID: "e-" + user + partner, Type: event.UserUpserted, Time: at, ReceivedAt: at, Tenant: "acme", PartnerID: partner,
		Data: jsontext.Value(`{"user_id":"` + user + `"}`), Source: event.SourceAPI,
	}
	k, err := event.DirectoryKey(e)
	if err != nil {
		t.Fatal(err)
	}
	value, err = event.MarshalCloudEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(k), value
}

func expect(t testing.TB, d *directory.Directory, user, visitor, want string) {
	t.Helper()
	got, ok := d.Partner("acme", user, visitor)
	if got != want || ok != (want != "") {
		t.Errorf("user %q, visitor %q belong to %q (%v), want %q", user, visitor, got, ok, want)
	}
}

func TestTrustAndTime(t *testing.T) {
	d, _ := newDirectory(t, directory.DefaultConfig())
	expect(t, d, "u", "", "")
	say := func(trust directory.Trust, partner string, minutes int) {
		d.Learn(directory.Membership{Tenant: "acme", UserID: "u", PartnerID: partner, At: start.Add(time.Duration(minutes) * time.Minute), Trust: trust})
	}
	say(directory.Claimed, "p-1", 0)
	expect(t, d, "u", "", "p-1")
	say(directory.Claimed, "p-2", 1)
	expect(t, d, "u", "", "p-2")
	say(directory.Claimed, "p-3", 0) // late
	expect(t, d, "u", "", "p-2")
	say(directory.Vouched, "p-4", -10)
	expect(t, d, "u", "", "p-4")
	say(directory.Claimed, "p-5", 99) // a page cannot move a vouched user
	expect(t, d, "u", "", "p-4")
	say(directory.Described, "p-6", -20)
	expect(t, d, "u", "", "p-6")
	say(directory.Vouched, "p-7", 99)
	expect(t, d, "u", "", "p-6")
	say(directory.Described, "p-8", 5)
	expect(t, d, "u", "", "p-8")
	if _, ok := d.Partner("other", "u", ""); ok {
		t.Error("a user of one tenant is known to another")
	}
}

func TestVisitors(t *testing.T) {
	d, _ := newDirectory(t, directory.DefaultConfig())
	d.Learn(directory.Membership{Tenant: "acme", AnonymousID: "x", PartnerID: "p-1", At: start, Trust: directory.Claimed})
	expect(t, d, "", "x", "p-1")
	expect(t, d, "u", "x", "p-1") // the user is not known, the visitor is
	expect(t, d, "x", "", "")     // no user, although a visitor
	d.Learn(described("u", "p-2", start))
	expect(t, d, "u", "x", "p-2")
	for _, nothing := range []directory.Membership{
		{Tenant: "acme", PartnerID: "p", Trust: directory.Claimed}, {Tenant: "acme", UserID: "n", Trust: directory.Described},
		{Tenant: "acme", UserID: "n", PartnerID: event.TenantWide, Trust: directory.Described},
	} {
		d.Learn(nothing)
	}
	expect(t, d, "n", "", "")
}

func TestRecordsOfTheTopic(t *testing.T) {
	d, reg := newDirectory(t, directory.DefaultConfig())
	if err := d.Ready(t.Context()); !errors.Is(err, directory.ErrLoading) {
		t.Errorf("ready before it was loaded: %v", err)
	}
	apply := func(key, value []byte) {
		t.Helper()
		if err := d.Apply(key, value); err != nil {
			t.Error(err)
		}
	}
	oldKey, oldValue := record(t, "u/1", "p/1", start)
	newKey, newValue := record(t, "u/1", "p-2", start.Add(time.Hour))
	apply(newKey, newValue)
	apply(oldKey, oldValue) // of another partition: the order is not that of time
	expect(t, d, "u/1", "", "p-2")
	apply(oldKey, nil) // the old membership is erased, the new one stays
	expect(t, d, "u/1", "", "p-2")
	apply(newKey, nil)
	expect(t, d, "u/1", "", "")
	apply([]byte("acme/p-1"), []byte(`{"a partner":"is nothing here"}`))
	d.MarkLoaded()
	if err := d.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "{", `{"specversion":"1.0"}`} {
		if d.Apply(newKey, []byte(bad)) == nil {
			t.Errorf("%q was applied", bad)
		}
	}
	if n, err := testutil.GatherAndCount(reg, "partnerpulse_directory_undecodable_total"); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	d, _ := newDirectory(t, directory.Config{UsersMax: 3, CallsMax: 2})
	for i := range 10 {
		d.Learn(described(fmt.Sprint("d", i), "p", start))
		d.Learn(directory.Membership{Tenant: "acme", UserID: fmt.Sprint("c", i), PartnerID: "p", At: start, Trust: directory.Claimed})
	}
	known := 0
	for i := range 10 {
		for _, kind := range []string{"c", "d"} {
			if _, ok := d.Partner("acme", fmt.Sprint(kind, i), ""); ok {
				known++
			}
		}
	}
	if known != 5 {
		t.Errorf("%d are known, want 3 described and the last 2 claimed", known)
	}
	expect(t, d, "d0", "", "p")
	expect(t, d, "c9", "", "p")
	d.Learn(described("d0", "q", start.Add(time.Hour))) // those who are in may move
	expect(t, d, "d0", "", "q")
	if (&directory.Config{UsersMax: 1}).Validate() == nil {
		t.Error("no room for calls was taken")
	}
}

// TestOrderDoesNotMatter: replicas read partitions in any order and end alike.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) directory.Membership {
			return directory.Membership{
				Tenant: "acme", UserID: "u", PartnerID: rapid.SampledFrom([]string{"p", "q", "r"}).Draw(t, "partner"),
				At:    start.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "minute")) * time.Minute),
				Trust: directory.Trust(rapid.IntRange(1, 3).Draw(t, "trust")),
			}
		}), 1, 8).Draw(t, "said")
		end := func(ms []directory.Membership) string {
			d, err := directory.New(directory.DefaultConfig(), prometheus.NewRegistry())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range ms {
				d.Learn(m)
			}
			p, _ := d.Partner("acme", "u", "")
			return p
		}
		other := rapid.Permutation(said).Draw(t, "other order")
		if a, b := end(said), end(other); a != b {
			t.Fatalf("%q in one order, %q in another", a, b)
		}
	})
}

func FuzzApply(f *testing.F) {
	key, value := record(f, "u", "p", start)
	f.Add(key, value)
	f.Add(key, []byte("{}"))
	f.Add([]byte("\x1fuser\x1f"), value)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		d, _ := newDirectory(t, directory.DefaultConfig())
		_ = d.Apply(key, value)
		if p, ok := d.Partner("acme", "u", ""); ok && (p == "" || p == event.TenantWide) {
			t.Fatalf("a user of no partner: %q", p)
		}
	})
}

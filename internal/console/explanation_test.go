package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/scoring"
)

type fakeExplainer struct{ asOf int32 }

func (f *fakeExplainer) Today() int32 { return 20_000 }

func (f *fakeExplainer) Explain(_ context.Context, partner string, asOf int32) (*scoring.Report, error) {
	f.asOf = asOf
	switch partner {
	case "p-none":
		return nil, scoring.ErrNoPartner
	case "p-broken":
		return nil, errors.New("the store is away")
	}
	value := scoring.Millionths(55_000_001)
	return &scoring.Report{PartnerID: partner, Score: &value}, nil
}

func TestExplanationAPI(t *testing.T) {
	x := &fakeExplainer{}
	c, err := New(testConfig(), Deps{Store: nil, Explainer: x}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path string
		code int
		asOf int32
	}{
		{"/api/v1/partners/p-1/explanation", http.StatusOK, 20_000},
		{"/api/partners/p-1/explanation?as_of=1970-01-31", http.StatusOK, 30},
		{"/api/v1/partners/p-1/explanation?as_of=yesterday", http.StatusBadRequest, 0},
		{"/api/v1/partners/p-none/explanation", http.StatusNotFound, 20_000},
		{"/api/v1/partners/p-broken/explanation", http.StatusServiceUnavailable, 20_000},
	} {
		x.asOf = 0
		w := httptest.NewRecorder()
		c.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, test.path, nil))
		if w.Code != test.code || x.asOf != test.asOf {
			t.Errorf("%s: %d as of %d, want %d as of %d", test.path, w.Code, x.asOf, test.code, test.asOf)
		}
		if test.code != http.StatusOK {
			continue
		}
		var body struct {
			Partner string      `json:"partner_id"`
			Score   json.Number `json:"score"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Partner != "p-1" || body.Score != "55.000001" {
			t.Errorf("%s: %s, %v", test.path, w.Body, err)
		}
	}
}

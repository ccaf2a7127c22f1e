package collector

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"partnerpulse/internal/kafkabus"
)

// BenchmarkCollect takes batches of 50 through everything but Kafka.
func BenchmarkCollect(b *testing.B) {
	for _, n := range []int{1, 50} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			r := newRig(b, nil)
			r.c.deps.Publisher = nowhere{}
			parts := make([]string, n)
			for i := range parts {
				parts[i] = fmt.Sprintf(`{"id":"0197f3c2-7a5e-7c31-9d0a-%012d","type":"content.viewed","time":%q,"partner_id":"p-0001","user_id":"u-17","session_id":"s-99","context":{"url":"https://portal.example/library/battlecard-7","referrer":"https://portal.example/","title":"Battlecard Acme","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36","locale":"en-GB","timezone":"Europe/Berlin","screen":"1920x1080"},"data":{"view_id":"v-2","content_id":"battlecard-7","kind":"pdf","pages":12,"words":3100,"entry_source":"search","search_id":"s-1","position":3}}`,
					i, time.Now().UTC().Format(time.RFC3339Nano))
			}
			body := []byte("[" + strings.Join(parts, ",") + "]")
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest(http.MethodPost, "/v1/events", bytes.NewReader(body))
				req.Header.Set("Authorization", "Bearer "+serverKey)
				w := httptest.NewRecorder()
				r.h.ServeHTTP(w, req)
				if w.Code != http.StatusAccepted {
					b.Fatal(w.Body)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
		})
	}
}

type nowhere struct{}

func (nowhere) Publish(context.Context, ...kafkabus.Message) error { return nil }

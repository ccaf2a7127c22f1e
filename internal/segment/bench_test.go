package segment

import (
	"strconv"
	"strings"
	"testing"
)

// BenchmarkCall reads and maps one call, a usual one and one with as many properties
// as are looked at.
func BenchmarkCall(b *testing.B) {
	var many []string
	for i := range membersMax {
		many = append(many, `"k`+strconv.Itoa(i)+`":0`)
	}
	usual := `{"type":"track","messageId":"m","event":"Article Viewed","userId":"u","timestamp":"2026-11-03T09:14:00.123Z",
	 "context":{"page":{"url":"https://p.example/lib?x=1","path":"/lib","referrer":"https://g.example/","title":"Library"},"userAgent":"UA","locale":"de-DE","groupId":"p-1"},
	 "properties":{"article_id":"a","word_count":1200}}`
	for name, call := range map[string]string{
		"usual": usual, "many": `{"type":"track","event":"Article Viewed","properties":{` + strings.Join(many, ",") + `}}`,
	} {
		b.Run(name, func(b *testing.B) {
			mappers, err := New(Config{})
			if err != nil {
				b.Fatal(err)
			}
			body := []byte(`{"batch":[` + call + `]}`)
			b.ReportAllocs()
			for b.Loop() {
				split, err := Split(body, Batch, 1)
				if err != nil {
					b.Fatal(err)
				}
				c, problem := split.Read(0)
				if problem != nil {
					b.Fatal(problem)
				}
				if r := mappers.For("").Map(c, env()); len(r.Events) != 1 {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}

package eventschema

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"partnerpulse/internal/event"
	"partnerpulse/schemas"
)

// agree holds the program to the schema: what it calls valid must be valid.
func agree(t interface{ Fatalf(string, ...any) }, c *compiled, data []byte) (fast, slow bool) {
	problems := c.validate(c.data, data, dataPlace)
	fast = c.fast != nil && c.fast.valid(data)
	if fast && len(problems) > 0 {
		t.Fatalf("%s: the program accepts %s, the schema says %v", c.name, data, problems)
	}
	return fast, len(problems) == 0
}

// TestProgramIsSound draws data near the schema's edges.
func TestProgramIsSound(t *testing.T) {
	s := newSet(t)
	scalars := []string{`""`, `"x"`, `"search"`, `"EUR"`, `"a\u0007"`, "\"\u0085\"", `"\u0041"`, `0`, `-1`, `1`, `2.5`, `100`, `100.1`, `1e2`, `1e13`,
		`1e400`, `-0`, `9007199254740993`, `true`, `false`, `null`, `[]`, `["x"]`, `{}`, `{"a":{}}`, `"2026-11-03T09:15:00Z"`, `"2026-11-03"`,
		`"` + strings.Repeat("é", 200) + `"`, `"` + strings.Repeat("é", 201) + `"`, `"` + strings.Repeat("x", 2049) + `"`}
	types := append(event.Types(), "custom.x")
	valid, accepted := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := s.find(rapid.SampledFrom(types).Draw(t, "type"))
		var fields []string
		for name := range c.data.Properties {
			fields = append(fields, name)
		}
		fields = append(fields, "other")
		members := map[string]jsontext.Value{}
		for _, name := range c.data.Required {
			members[name] = jsontext.Value(rapid.SampledFrom([]string{`"x"`, `5`}).Draw(t, name))
		}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			members[rapid.SampledFrom(fields).Draw(t, "name")] = jsontext.Value(rapid.SampledFrom(scalars).Draw(t, "value"))
		}
		data, err := json.Marshal(members, json.Deterministic(true))
		if err != nil {
			t.Fatalf("encoding: %v", err)
		}
		fast, slow := agree(t, c, data)
		if slow {
			valid++
		}
		if fast {
			accepted++
		}
	})
	if accepted == 0 || valid == 0 {
		t.Fatalf("%d valid, %d of them recognised: the property was not exercised", valid, accepted)
	}
}

// TestProgramCoversTheFrequentTypes holds the hot path to the types that make up
// nearly all traffic.
func TestProgramCoversTheFrequentTypes(t *testing.T) {
	s := newSet(t)
	for _, typ := range []event.Type{event.PortalLogin, event.PageViewed, event.ContentViewed, event.ContentEngaged,
		event.ContentDownloaded, event.PlaybookPinned, event.SearchPerformed, event.SearchClicked, event.TrainingProgressed, event.TrainingCertified, event.DealWon} {
		c := s.find(typ)
		data := exampleData(t, string(typ))
		if c.fast == nil || !c.fast.valid(data) {
			t.Errorf("the program does not recognise the example of %s: %s", typ, data)
		}
	}
}

func exampleData(t testing.TB, file string) jsontext.Value {
	t.Helper()
	b, err := schemas.Events.ReadFile("events/" + file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Examples []parts `json:"examples"`
	}
	if err := json.Unmarshal(b, &doc); err != nil || len(doc.Examples) == 0 {
		t.Fatalf("%s: %d examples, %v", file, len(doc.Examples), err)
	}
	return doc.Examples[0].Data
}

func TestProgramLeavesTheUnknownToTheSchema(t *testing.T) {
	const envelope = `{"$id":"` + BaseURL + `envelope.json","$defs":{"n":{"type":"string","maxLength":5}}}`
	for name, c := range map[string]struct {
		schema, data string
		fast, slow   bool
	}{
		"plain":               {`{"type":"object","maxProperties":9,"properties":{"a":{"$ref":"envelope.json#/$defs/n"}}}`, `{"a":"x"}`, true, true},
		"keyword on object":   {`{"type":"object","maxProperties":9,"minProperties":2}`, `{"a":1}`, false, false},
		"keyword beside ref":  {`{"type":"object","maxProperties":9,"properties":{"a":{"$ref":"envelope.json#/$defs/n","not":{"const":"x"}}}}`, `{"a":"x"}`, false, false},
		"multipleOf":          {`{"type":"object","maxProperties":9,"properties":{"a":{"type":"number","multipleOf":2}}}`, `{"a":3}`, false, false},
		"exclusive":           {`{"type":"object","maxProperties":9,"properties":{"a":{"type":"number","exclusiveMinimum":3}}}`, `{"a":3}`, false, false},
		"other pattern met":   {`{"type":"object","maxProperties":9,"properties":{"a":{"type":"string","pattern":"^y"}}}`, `{"a":"y"}`, true, true},
		"format met":          {`{"type":"object","maxProperties":9,"properties":{"a":{"type":"string","format":"date"}}}`, `{"a":"2026-01-01"}`, true, true},
		"small object":        {`{"type":"object","maxProperties":9,"properties":{"a":{"type":"object","maxProperties":2}}}`, `{"a":{"b":1,"c":2}}`, true, true},
		"commas in a string":  {`{"type":"object","maxProperties":9,"properties":{"a":{"type":"object","maxProperties":2}}}`, `{"a":{"b":",,,"}}`, false, true},
		"huge number inside":  {`{"type":"object","maxProperties":9}`, `{"a":[{"b\"":"1e999"},-1e999]}`, false, false},
		"large exponent text": {`{"type":"object","maxProperties":9}`, `{"a":["1e999\"1e999",-1E30]}`, true, true},
		"other pattern":       {`{"type":"object","maxProperties":9,"properties":{"a":{"type":"string","pattern":"^y"}}}`, `{"a":"x"}`, false, false},
		"format":              {`{"type":"object","maxProperties":9,"properties":{"a":{"type":"string","format":"date"}}}`, `{"a":"x"}`, false, false},
		"closed object":       {`{"type":"object","maxProperties":9,"additionalProperties":false}`, `{"a":"x"}`, false, false},
		"required undeclared": {`{"type":"object","maxProperties":9,"required":["a"]}`, `{}`, false, false},
		"mixed enum":          {`{"type":"object","maxProperties":9,"properties":{"a":{"type":"string","enum":["x",1]}}}`, `{"a":"y"}`, false, false},
		"too many fields":     {`{"type":"object","maxProperties":1}`, `{"a":1,"b":2}`, false, false},
		"array data":          {`{"type":"object","maxProperties":1}`, `[]`, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fstest.MapFS{"events/envelope.json": {Data: []byte(envelope)}}
			for _, typ := range append(event.Types(), customName) {
				fsys["events/"+string(typ)+".json"] = &fstest.MapFile{Data: fmt.Appendf(nil, `{"$id":"%s%s.json","properties":{"data":%s}}`, BaseURL, typ, c.schema)}
			}
			s, err := New(fsys)
			if err != nil {
				t.Fatal(err)
			}
			fast, slow := agree(t, s.find(event.PortalLogin), []byte(c.data))
			if fast != c.fast || slow != c.slow {
				t.Errorf("program %v, schema %v, want %v and %v", fast, slow, c.fast, c.slow)
			}
		})
	}
}

func TestBadSchemasAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"not a type":       `{"type":"strnig"}`,
		"unknown ref":      `{"properties":{"data":{"$ref":"https://elsewhere.example/x.json"}}}`,
		"not JSON":         `{`,
		"no data schema":   `{}`,
		"bad bound":        `{"properties":{"data":{"maxLength":-1}}}`,
		"bad pattern":      `{"properties":{"data":{"pattern":"("}}}`,
		"missing envelope": `{"allOf":[{"$ref":"nothing.json"}],"properties":{"data":{}}}`,
	} {
		fsys := fstest.MapFS{}
		for _, typ := range append(event.Types(), customName) {
			b, err := schemas.Events.ReadFile("events/" + string(typ) + ".json")
			if err != nil {
				t.Fatal(err)
			}
			fsys["events/"+string(typ)+".json"] = &fstest.MapFile{Data: b}
		}
		b, err := schemas.Events.ReadFile("events/envelope.json")
		if err != nil {
			t.Fatal(err)
		}
		fsys["events/envelope.json"] = &fstest.MapFile{Data: b}
		fsys["events/deal.won.json"] = &fstest.MapFile{Data: []byte(body)}
		if _, err := New(fsys); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzCheckData(f *testing.F) {
	s := newSet(f)
	types := append(event.Types(), "custom.x")
	for i, typ := range event.Types() {
		f.Add(uint8(i), []byte(exampleData(f, string(typ))))
	}
	f.Add(uint8(2), []byte(`{"view_id":"v","content_id":"c","words":1e-999999999}`))
	f.Add(uint8(2), []byte(`{"view_id":"v","content_id":"c","words":1e999999999}`))
	f.Fuzz(func(t *testing.T, i uint8, data []byte) {
		typ := types[int(i)%len(types)]
		if !jsontext.Value(data).IsValid() {
			s.CheckData(typ, data) // must not panic
			return
		}
		agree(t, s.find(typ), data)
		whole := fmt.Appendf(nil, `{"id":"1","type":%q,"user_id":"u","data":%s}`, typ, data)
		if typ.IsDirectory() {
			whole = fmt.Appendf(nil, `{"id":"1","type":%q,"data":%s}`, typ, data)
		}
		if alone, all := s.CheckData(typ, data), s.Check(typ, whole); (len(alone) == 0) != (len(all) == 0) {
			t.Fatalf("%s: %s: data alone %v, whole event %v", typ, data, alone, all)
		}
	})
}

// BenchmarkCheckData compares the program with the schema itself.
func BenchmarkCheckData(b *testing.B) {
	s := newSet(b)
	c := s.find(event.ContentViewed)
	data := exampleData(b, "content.viewed")
	b.Run("program", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s.CheckData(event.ContentViewed, data) != nil {
				b.Fatal("refused")
			}
		}
	})
	b.Run("schema", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if c.validate(c.data, data, dataPlace) != nil {
				b.Fatal("refused")
			}
		}
	})
}

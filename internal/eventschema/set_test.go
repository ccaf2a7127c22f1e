package eventschema

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
	"partnerpulse/schemas"
)

func newSet(t testing.TB) *Set {
	t.Helper()
	s, err := New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// allTypes are the contract's types and one custom type, with their schema files.
func allTypes() map[event.Type]string {
	files := map[event.Type]string{"custom.webinar_joined": "custom"}
	for _, typ := range event.Types() {
		files[typ] = string(typ)
	}
	return files
}

// document reads a schema file.
func document(t testing.TB, name string) map[string]any {
	t.Helper()
	b, err := schemas.Events.ReadFile("events/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return doc
}

// parts splits an event into type and data.
type parts struct {
	Type event.Type     `json:"type"`
	Data jsontext.Value `json:"data"`
}

func TestExamplesAreValid(t *testing.T) {
	s := newSet(t)
	for typ, file := range allTypes() {
		examples, _ := document(t, file)["examples"].([]any)
		if len(examples) == 0 {
			t.Errorf("%s has no example", typ)
		}
		for _, ex := range examples {
			raw, err := json.Marshal(ex)
			if err != nil {
				t.Fatal(err)
			}
			var p parts
			if err := json.Unmarshal(raw, &p); err != nil || p.Type != typ {
				t.Fatalf("example of %s has type %s: %v", typ, p.Type, err)
			}
			if problems := s.Check(typ, raw); problems != nil {
				t.Errorf("example of %s: %v", typ, problems)
			}
			if problems := s.CheckData(typ, p.Data); problems != nil {
				t.Errorf("data of the example of %s: %v", typ, problems)
			}
		}
	}
}

func TestInvalidExamplesAreRefused(t *testing.T) {
	s := newSet(t)
	for typ, file := range allTypes() {
		b, err := os.ReadFile(filepath.Join("testdata", "invalid", file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct {
			Pointer string         `json:"pointer"`
			Event   jsontext.Value `json:"event"`
		}
		if err := json.Unmarshal(b, &cases); err != nil || len(cases) == 0 {
			t.Fatalf("%s: %d cases, %v", file, len(cases), err)
		}
		for _, c := range cases {
			problems := s.Check(typ, c.Event)
			if len(problems) == 0 || problems[0].Pointer != c.Pointer {
				t.Errorf("%s: %s: problems %v, want one at %s", typ, c.Event, problems, c.Pointer)
				continue
			}
			if !strings.HasPrefix(c.Pointer, "/data/") {
				continue
			}
			var p parts
			if err := json.Unmarshal(c.Event, &p); err != nil {
				t.Fatal(err)
			}
			alone := s.CheckData(typ, p.Data)
			if len(alone) == 0 || alone[0] != problems[0] {
				t.Errorf("%s: data alone gives %v, whole event %v", typ, alone, problems)
			}
		}
	}
}

func TestMessages(t *testing.T) {
	s := newSet(t)
	const head = `{"id":"1","type":"content.viewed","partner_id":"p","user_id":"u","data":{"view_id":"v","content_id":"c"`
	for body, want := range map[string]event.Problem{
		`{"id":"1","type":"content.viewed","partner_id":"p","user_id":"u","data":{"view_id":"v"}}`: {
			Code: event.CodeSchema, Pointer: "/data/content_id",
			Message: "content_id is required by content.viewed: The document, video or other asset"},
		`{"id":"1","type":"content.viewed","partner_id":"p","user_id":"u"}`: {
			Code: event.CodeMissing, Pointer: "/data",
			Message: "data is required by content.viewed: Fields of content.viewed. Fields not named here are kept as they are"},
		`{"type":"content.viewed","partner_id":"p","user_id":"u","data":{"view_id":"v","content_id":"c"}}`: {
			Code: event.CodeMissing, Pointer: "/id",
			Message: "id is required by content.viewed: Idempotency key: an event sent again with the same id counts once. 1–100 characters, unique per tenant; a UUIDv7 is recommended"},
		head + `}, "extra/field": 1}`: {
			Code: event.CodeSchema, Pointer: "/extra~1field",
			Message: `"extra/field" is not a field of an event: put fields of your own into data, where they are kept`},
		head + `}, "context": {"ip": "x"}}`: {
			Code: event.CodeSchema, Pointer: "/context/ip",
			Message: `"ip" is not a field of context: put fields of your own into data, where they are kept`},
		head + `,"pages":-1}}`: {
			Code: event.CodeSchema, Pointer: "/data/pages", Message: "must not be below 0 (Length in pages or slides)"},
		head + `,"words":"many"}}`: {
			Code: event.CodeSchema, Pointer: "/data/words", Message: "must be an integer, not a string (Length of the text, in words)"},
		head + `,"kind":null}}`: {
			Code: event.CodeSchema, Pointer: "/data/kind", Message: "must be a string, not null: leave the field out when there is no value"},
		head + `,"entry_source":"fax"}}`: {
			Code: event.CodeSchema, Pointer: "/data/entry_source", Message: `must be one of search, browse, email, link, playbook, not "fax"`},
		head + `,"search_id":"a\u0007b"}}`: {
			Code: event.CodeSchema, Pointer: "/data/search_id",
			Message: `"a\ab" does not have the right form (One search. Clicks and views that it led to carry it)`},
		head + `,"version":"` + strings.Repeat("x", 101) + `"}}`: {
			Code: event.CodeSchema, Pointer: "/data/version", Message: "must have at most 100 characters, not 101"},
		head + `,"playbook_id":""}}`: {
			Code: event.CodeSchema, Pointer: "/data/playbook_id", Message: "must not be empty: leave the field out when there is no value"},
		head + `}, "time":"yesterday"}`: {
			Code: event.CodeSchema, Pointer: "/time", Message: `"yesterday" is not RFC 3339 with a zone, such as 2026-11-03T09:15:00.000Z`},
		`{"id":"1","type":"content.viewed","partner_id":"p","data":{"view_id":"v","content_id":"c"}}`: {
			Code: event.CodeMissing, Pointer: "/user_id", Message: MissingActor},
	} {
		problems := s.Check(event.ContentViewed, []byte(body))
		found := false
		for _, p := range problems {
			found = found || p == want
		}
		if !found {
			t.Errorf("%s:\n got  %q\n want %q", body, problems, want)
		}
	}
}

func TestUnknownType(t *testing.T) {
	s := newSet(t)
	for _, typ := range []event.Type{"portal.lgoin", "", "custom", "custom.", "envelope"} {
		if s.Known(typ) {
			t.Errorf("type %q is known", typ)
		}
		for _, problems := range [][]event.Problem{s.Check(typ, []byte(`{}`)), s.CheckData(typ, jsontext.Value(`{}`))} {
			if len(problems) != 1 || problems[0].Code != event.CodeUnknownType {
				t.Errorf("type %q: %v", typ, problems)
			}
		}
	}
}

// TestFieldsAreDescribed holds every field of every schema to a title and a
// description, and every number to bounds.
func TestFieldsAreDescribed(t *testing.T) {
	defs, _ := document(t, "envelope")["$defs"].(map[string]any)
	files := []string{"envelope"}
	for _, f := range allTypes() {
		files = append(files, f)
	}
	fields := 0
	var walk func(at string, schema map[string]any)
	walk = func(at string, schema map[string]any) {
		for _, group := range []string{"properties", "$defs"} {
			members, _ := schema[group].(map[string]any)
			for name, m := range members {
				field, ok := m.(map[string]any)
				if !ok {
					t.Fatalf("%s/%s is not an object", at, name)
				}
				fields++
				where := at + "/" + name
				target := field
				if ref, ok := field["$ref"].(string); ok {
					target, _ = defs[ref[strings.LastIndexByte(ref, '/')+1:]].(map[string]any)
				}
				for _, key := range []string{"title", "description"} {
					if field[key] == nil && target[key] == nil {
						t.Errorf("%s has no %s", where, key)
					}
				}
				if typ := target["type"]; (typ == "number" || typ == "integer") && (target["minimum"] == nil || target["maximum"] == nil) {
					t.Errorf("%s is a number without bounds", where)
				}
				if target["type"] == "string" && target["maxLength"] == nil && target["enum"] == nil && target["pattern"] == nil {
					t.Errorf("%s is a string without bounds", where)
				}
				walk(where, field)
			}
		}
	}
	for _, f := range files {
		doc := document(t, f)
		if doc["$id"] != BaseURL+f+".json" || doc["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: $id %v, $schema %v", f, doc["$id"], doc["$schema"])
		}
		walk(f, doc)
	}
	if fields < 200 {
		t.Fatalf("only %d fields were looked at", fields)
	}
}

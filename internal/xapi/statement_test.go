package xapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	someActor  = `"actor":{"mbox":"mailto:a@b.example"}`
	someVerb   = `"verb":{"id":"http://adlnet.gov/expapi/verbs/passed"}`
	someObject = `"object":{"id":"https://lms.example/c"}`
	someUUID   = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
)

func statement(more string) string {
	return "{" + someActor + "," + someVerb + "," + someObject + more + "}"
}

func TestValidStatements(t *testing.T) {
	for _, in := range []string{
		statement(""),
		statement(`,"id":"` + someUUID + `","timestamp":"2026-11-03T10:00:00+01","stored":"2026-11-03T10:00:00.123456Z","version":"1.0.2","authority":{"openid":"http://x.example"}`),
		statement(`,"result":{"extensions":{"http://x.example/e":{"deep":[null]}},"score":{"scaled":1,"raw":0,"min":0,"max":1},"duration":"P2W","response":""}`),
		statement(`,"context":{"contextActivities":{"other":{"id":"urn:x"},"category":[{"id":"urn:y","objectType":"Activity"}]},"statement":{"objectType":"StatementRef","id":"` + someUUID + `"},"revision":"1"}`),
		statement(`,"attachments":[{"usageType":"http://x.example/u","display":{"en":"x"},"contentType":"text/plain","length":0,"sha2":"00","fileUrl":"http://x.example/f"}]`),
		"{" + someActor + "," + someVerb + `,"object":{"objectType":"Group","member":[{"mbox":"mailto:x@y"}]}}`,
		`{"actor":{"objectType":"Group","name":"x","member":[{"objectType":"Agent","account":{"homePage":"http://x.example","name":"n"}}]},` + someVerb + "," + someObject + "}",
	} {
		items, err := Split([]byte(in), 1)
		if err != nil || len(items) != 1 || items[0].Invalid != nil {
			t.Errorf("%s: %v %v", in, err, items)
		}
	}
}

func TestInvalidStatements(t *testing.T) {
	withActor := func(a string) string { return `{"actor":` + a + "," + someVerb + "," + someObject + "}" }
	withObject := func(o string) string { return "{" + someActor + "," + someVerb + `,"object":` + o + "}" }
	for in, pointer := range map[string]string{
		`{}`:                                                                            "/actor",
		"{" + someActor + "}":                                                           "/verb",
		"{" + someActor + "," + someVerb + "}":                                          "/object",
		statement(`,"id":"x"`):                                                          "/id",
		statement(`,"id":null`):                                                         "/id",
		statement(`,"Result":{}`):                                                       "/Result",
		statement(`,"result":[]`):                                                       "/result",
		statement(`,"id":"x","id":"x"`):                                                 "",
		statement(`,"timestamp":"2026-11-03T10:00:00"`):                                 "/timestamp",
		statement(`,"timestamp":"2026-11-03T10:00:00-00:00"`):                           "/timestamp",
		statement(`,"timestamp":"yesterday"`):                                           "/timestamp",
		statement(`,"version":"2.0.0"`):                                                 "/version",
		statement(`,"stored":"x"`):                                                      "/stored",
		statement(`,"authority":{}`):                                                    "/authority",
		statement(`,"result":{"score":{"scaled":2}}`):                                   "/result/score/scaled",
		statement(`,"result":{"score":{"scaled":"1"}}`):                                 "/result/score/scaled",
		statement(`,"result":{"score":{"raw":2,"max":1}}`):                              "/result/score/raw",
		statement(`,"result":{"score":{"min":2,"max":1}}`):                              "/result/score/min",
		statement(`,"result":{"duration":"1h"}`):                                        "/result/duration",
		statement(`,"result":{"success":"yes"}`):                                        "/result/success",
		statement(`,"result":{"extensions":{"x":1}}`):                                   "/result/extensions",
		statement(`,"context":{"registration":"x"}`):                                    "/context/registration",
		statement(`,"context":{"team":{"mbox":"mailto:a@b"}}`):                          "/context/team/objectType",
		statement(`,"context":{"contextActivities":{"x":[]}}`):                          "/context/contextActivities",
		statement(`,"context":{"contextActivities":{"parent":[{"id":"x"}]}}`):           "/context/contextActivities/parent/0/id",
		statement(`,"context":{"statement":{"id":"` + someUUID + `","objectType":""}}`): "/context/statement",
		statement(`,"attachments":[{"usageType":"x"}]`):                                 "/attachments/0",
		withActor(`{"name":"x"}`):                                                       "/actor",
		withActor(`{"mbox":"mailto:a@b","openid":"http://x.example"}`):                  "/actor",
		withActor(`{"mbox":"a@b"}`):                                                     "/actor/mbox",
		withActor(`{"mbox_sha1sum":"x"}`):                                               "/actor/mbox_sha1sum",
		withActor(`{"openid":"x"}`):                                                     "/actor/openid",
		withActor(`{"account":{"homePage":"x","name":"y"}}`):                            "/actor/account/homePage",
		withActor(`{"account":{"homePage":"http://x.example","name":""}}`):              "/actor/account/name",
		withActor(`{"objectType":"Group"}`):                                             "/actor/member",
		withActor(`{"objectType":"Person","mbox":"mailto:a@b"}`):                        "/actor/objectType",
		withActor(`{"mbox":"mailto:a@b","member":[]}`):                                  "/actor/member",
		withObject(`{"id":"c"}`):                                                        "/object/id",
		withObject(`{"id":"urn:c","definition":{"type":"x"}}`):                          "/object/definition/type",
		withObject(`{"id":"urn:c","mbox":"mailto:a@b"}`):                                "/object",
		withObject(`{"objectType":"StatementRef","id":"x"}`):                            "/object/id",
		withObject(`{"objectType":"Thing","id":"urn:x"}`):                               "/object/objectType",
		withObject(`{"objectType":"SubStatement",` + someActor + "," + someVerb + `,"object":{"objectType":"SubStatement"}}`): "/object",
		`{` + someActor + `,"verb":{"id":"http://adlnet.gov/expapi/verbs/voided"},` + someObject + `}`:                        "/object/objectType",
		`{` + someActor + `,"verb":{"id":"passed"},` + someObject + `}`:                                                       "/verb/id",
		statement(`,"result":{"extensions":{"urn:x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}`):             "",
		statement(`,"result":{"response":"` + strings.Repeat("x", StatementBytesMax) + `"}`):                                  "",
	} {
		items, err := Split([]byte(in), 1)
		if err != nil || len(items) != 1 || items[0].Invalid == nil || items[0].Statement != nil {
			t.Errorf("%.200s: accepted (%v)", in, err)
			continue
		}
		if i := items[0].Invalid; i.Pointer != pointer || i.Message == "" {
			t.Errorf("%.200s: %v, want it at %q", in, i, pointer)
		}
	}
}

func TestSplit(t *testing.T) {
	items, err := Split([]byte("["+statement("")+", {}, 3 ]"), 3)
	if err != nil || len(items) != 3 || items[0].Invalid != nil || items[1].Invalid == nil || items[2].Invalid.Index != 2 || string(items[2].Raw) != "3" {
		t.Errorf("%+v, %v", items, err)
	}
	if _, err := Split([]byte(`[1,2]`), 1); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
	for _, in := range []string{"", "[", "{} x", `"s"`} {
		if _, err := Split([]byte(in), 1); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[string]float64{
		"PT1S": 1, "PT0S": 0, "PT1.239S": 1.24, "PT1,5M": 90, "P1DT1H": 90000, "P2W": 1209600, "P1Y": 31536000, "P1M": 2592000, "P0.5D": 43200,
	} {
		if got, ok := Seconds(in); !ok || got != want {
			t.Errorf("%s: %v %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "P", "PT", "P1DT", "1S", "PT1", "P1W2D", "-PT1S", "PT-1S", "P1S", "PT1D", "PT" + strings.Repeat("9", 400) + "S"} {
		if got, ok := Seconds(in); ok {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestDigest(t *testing.T) {
	base, err := DigestOf([]byte(statement(`,"result":{"score":{"scaled":0.5}}`)))
	if err != nil {
		t.Fatal(err)
	}
	for in, same := range map[string]bool{
		statement(`,"id":"` + someUUID + `","stored":"x","version":"1.0.0","authority":{},"result":{"score":{"scaled":5e-1}}`): true,
		"{ " + someObject + "," + someVerb + "," + someActor + `, "result":{"score":{"sc\u0061led":0.50}}}`:                    true,
		statement(`,"result":{"score":{"scaled":0.6}}`):                                                                        false,
		statement(`,"result":{"score":{"scaled":0.5}},"timestamp":"2026-11-03T10:00:00Z"`):                                     false,
	} {
		d, err := DigestOf([]byte(in))
		if err != nil || (d == base) != same {
			t.Errorf("%s: same %v, want %v (%v)", in, d == base, same, err)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte(statement("")))
	f.Add([]byte("[" + statement(`,"id":"`+someUUID+`","timestamp":"2026-11-03T10:00:00Z"`) + "]"))
	f.Add([]byte(statement(`,"result":{"score":{"scaled":0.1},"duration":"PT1S","extensions":{"urn:x":null}},"context":{"contextActivities":{"parent":{"id":"urn:p"}},"team":{"objectType":"Group","member":[{"mbox":"mailto:a@b"}]}}`)))
	f.Add([]byte("{" + someActor + "," + someVerb + `,"object":{"objectType":"SubStatement",` + someActor + "," + someVerb + "," + someObject + "}}"))
	f.Add([]byte("{\"actor\":{\"name\":\"\xff\"}}"))
	m := testMapper(f, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := Split(b, 5)
		if err != nil {
			return
		}
		for _, item := range items {
			if (item.Statement == nil) == (item.Invalid == nil) {
				t.Fatalf("%+v", item)
			}
			if item.Invalid != nil {
				if item.Invalid.Message == "" {
					t.Fatal("no message")
				}
				continue
			}
			got, err := m.Map(item.Statement, item.Raw, someUUID, arrival())
			if err != nil || !jsontext.Value(got.Envelope).IsValid() || got.ID == "" || got.Type == "" {
				t.Fatalf("%s: %+v (%v)", item.Raw, got, err)
			}
			if _, err := DigestOf(item.Raw); err != nil {
				t.Fatalf("%s: %v", item.Raw, err)
			}
			s := Stored{ID: got.ID, Raw: item.Raw, Time: arrival(), At: arrival(), KeyID: "k"}
			text, err := s.Statement()
			if err != nil {
				t.Fatalf("%s: %v", item.Raw, err)
			}
			// What is given out can be sent again, and is the same statement.
			again, err := Split(text, 1)
			if err != nil || again[0].Invalid != nil && len(text) <= StatementBytesMax {
				t.Fatalf("%s: %v %v", text, err, again)
			}
		}
	})
}

func FuzzParseAgent(f *testing.F) {
	f.Add(`{"mbox":"mailto:a@b"}`)
	f.Add(`{"account":{"homePage":"urn:x","name":"\""},"name":"x"}`)
	f.Add(fmt.Sprintf(`{"mbox_sha1sum":"%040d"}`, 7))
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, text string) {
		if agent, err := ParseAgent(text); (err == nil) != (agent != nil && agent.Key() != "") {
			t.Fatalf("%+v, %v", agent, err)
		}
	})
}

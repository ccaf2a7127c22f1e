package segment

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"partnerpulse/internal/event"
)

func TestSplitAndOriginals(t *testing.T) {
	body := "\xef\xbb\xbf" + ` {"writeKey":"secret","context":{"groupId":"p","library":{"name":"l"}},"sentAt":"2026-11-03T09:15:00Z",
	 "batch":[ {"type":"track","event":"a","context":{"library":{"name":"own"}},"writeKey":"secret"}, {"type":"track","a":1,"a":2,"writeKey":"secret"}, 7, {"type":"page","x":"` + "\xff" + `"},
	 {"type":"track","event":"` + strings.Repeat("x", CallBytesMax) + `"}]}`
	b, err := Split([]byte(body), Batch, 5)
	if err != nil || b.WriteKey != "secret" || len(b.Calls) != 5 {
		t.Fatalf("%v %+v", err, b)
	}
	want := []struct {
		original string
		code     event.Code
	}{
		{`{"type":"track","event":"a","context":{"library":{"name":"own"},"groupId":"p"},"sentAt":"2026-11-03T09:15:00Z"}`, ""},
		{`{"type":"track","a":1,"a":2,"writeKey":"[write key]"}`, event.CodeMalformed},
		{`7`, event.CodeMalformed}, {"{\"type\":\"page\",\"x\":\"\xff\"}", event.CodeMalformed}, {"", event.CodeTooLong},
	}
	for i, w := range want {
		c, problem := b.Read(i)
		switch {
		case w.original != "" && string(c.Original) != w.original:
			t.Errorf("call %d is kept as %s", i, c.Original)
		case (problem == nil) != (w.code == "") || problem != nil && problem.Code != w.code:
			t.Errorf("call %d: %+v", i, problem)
		}
	}
	single, err := Split([]byte(`{"event":"a","writeKey":"secret","batch":[1]} `), Track, 1)
	if err != nil || single.WriteKey != "secret" {
		t.Fatal(err)
	}
	if c, _ := single.Read(0); string(c.Original) != `{"type":"track","event":"a","batch":[1]}` {
		t.Errorf("kept as %s", c.Original)
	}
	verbatim := `{ "type":"track", "event" : "a" }`
	same, err := Split([]byte(verbatim), Track, 1)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := same.Read(0); string(c.Original) != verbatim {
		t.Errorf("kept as %s", c.Original)
	}
	for body, wantErr := range map[string]error{
		`{"batch":[1,2]}`: ErrTooMany, `[1]`: ErrNotObject, `"x"`: ErrNotObject, `{}`: ErrNoBatch, `{"batch":{}}`: ErrNoBatch,
		`{"context":{"a":"` + strings.Repeat("x", SharedBytesMax) + `"},"batch":[]}`: ErrShared,
		`{"batch":[],"batch":[]}`: ErrTwice, `{"writeKey":"a","writeKey":"b","batch":[]}`: ErrTwice, `{"batch":[]}x`: ErrTrailing,
	} {
		if _, err := Split([]byte(body), Batch, 1); !errors.Is(err, wantErr) {
			t.Errorf("%s: %v, want %v", body, err, wantErr)
		}
	}
	for _, body := range []string{"", "{", `{"batch":[`, "nul", `{"a":` + strings.Repeat("[", 20000)} {
		if _, err := Split([]byte(body), Batch, 1); err == nil {
			t.Errorf("%.20s is accepted", body)
		}
	}
}

func TestManyMembersAreRefused(t *testing.T) {
	var many []string
	for i := range membersMax + 1 {
		many = append(many, fmt.Sprintf(`"k%d":0`, i))
	}
	object := "{" + strings.Join(many, ",") + "}"
	for place, body := range map[string]string{
		"/properties": `{"event":"login","properties":` + object + `}`, "/traits": `{"event":"login","traits":` + object + `}`,
		"/context": `{"event":"login","context":` + object + `}`, "": object,
	} {
		if r := mapped(t, Config{}, Track, body, env())[0]; r.Problem == nil || r.Problem.Code != event.CodeSchema || r.Problem.Pointer != place {
			t.Errorf("%s: %+v", place, r.Problem)
		}
	}
}

func TestIsRudder(t *testing.T) {
	for call, want := range map[string]bool{
		`{"channel":"server"}`: true, `{"context":{"library":{"name":"RudderLabs JavaScript SDK"}}}`: true,
		`{"context":{"library":{"name":"@segment/analytics-node"}}}`: false, `{}`: false, `7`: false, `{"a":1,"a":2}`: false,
	} {
		if IsRudder([]byte(call)) != want {
			t.Errorf("%s: not %v", call, want)
		}
	}
}

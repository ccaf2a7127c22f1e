package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/httpserver"
	"partnerpulse/schemas"
)

// contract is openapi.yaml, read.
type contract struct {
	t        *testing.T
	doc      map[string]any
	compiler *jsonschema.Compiler
}

const contractURL = "https://schemas.partnerpulse.dev/openapi.yaml"

func readContract(t *testing.T) *contract {
	t.Helper()
	c := &contract{t: t, compiler: jsonschema.NewCompiler()}
	if err := yaml.Unmarshal(schemas.OpenAPI, &c.doc); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c.doc)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(contractURL, doc); err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(schemas.Events, "events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := schemas.Events.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.compiler.AddResource(eventschema.BaseURL+path.Base(name), doc); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestTheDescriptionIsOpenAPI reads it as tools do, with the files that it refers to.
func TestTheDescriptionIsOpenAPI(t *testing.T) {
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	loader.ReadFromURIFunc = func(_ *openapi3.Loader, u *url.URL) ([]byte, error) {
		return fs.ReadFile(schemas.Events, strings.TrimPrefix(u.Path, "/"))
	}
	doc, err := loader.LoadFromDataWithPath(schemas.OpenAPI, &url.URL{Path: "/openapi.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if s := doc.Components.Schemas["Event"]; s == nil || len(s.Value.OneOf) != len(event.Types())+1 || s.Value.OneOf[0].Value.Title == "" {
		t.Error("the schemas of the events were not read")
	}
}

// at follows a JSON Pointer, and references on the way, and gives where it ended.
func (c *contract) at(pointer string) (value any, place string) {
	c.t.Helper()
	value = any(c.doc)
	for _, name := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		m, ok := value.(map[string]any)
		if !ok {
			c.t.Fatalf("%s is no object on the way to %s", place, pointer)
		}
		if value, ok = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]; !ok {
			return nil, pointer
		}
		place += "/" + name
		for {
			m, ok := value.(map[string]any)
			ref, isRef := m["$ref"].(string)
			if !ok || !isRef {
				break
			}
			inner, local := strings.CutPrefix(ref, "#")
			if !local {
				break
			}
			if value, place = c.at(inner); value == nil {
				c.t.Fatalf("%s refers to %s, which is not there", place, ref)
			}
		}
	}
	return value, place
}

func (c *contract) object(pointer string) map[string]any {
	c.t.Helper()
	v, _ := c.at(pointer)
	m, _ := v.(map[string]any)
	return m
}

func escaped(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// methods are the described ones of a path, HEAD with GET.
func (c *contract) methods(p string) (out []string) {
	for name := range c.object("/paths/" + escaped(p)) {
		if m := strings.ToUpper(name); slices.Contains(allMethods(), m) {
			out = append(out, m)
		}
	}
	if slices.Contains(out, http.MethodGet) {
		out = append(out, http.MethodHead)
	}
	return out
}

func allMethods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch}
}

// check holds an answer to what is described for path and method.
func (c *contract) check(p, method string, res *httptest.ResponseRecorder) {
	c.t.Helper()
	if method == http.MethodHead {
		method = http.MethodGet
	}
	pointer := "/paths/" + escaped(p) + "/" + strings.ToLower(method) + "/responses/" + fmt.Sprint(res.Code)
	described, place := c.at(pointer)
	if described == nil {
		c.t.Errorf("%s %s answered %d %s, which is not described", method, p, res.Code, res.Body)
		return
	}
	content, _ := described.(map[string]any)["content"].(map[string]any)
	if len(content) == 0 {
		if res.Body.Len() > 0 {
			c.t.Errorf("%s %s answered %d with a body, none is described: %s", method, p, res.Code, res.Body)
		}
		return
	}
	if res.Body.Len() == 0 {
		return // everything that has a body says so
	}
	kind, _, err := mime.ParseMediaType(res.Header().Get("Content-Type"))
	if err != nil {
		c.t.Errorf("%s %s answered with Content-Type %q", method, p, res.Header().Get("Content-Type"))
	}
	if _, ok := content[kind]; !ok {
		if _, any := content["*/*"]; !any {
			c.t.Errorf("%s %s answered %s, described is %v", method, p, kind, slices.Sorted(maps.Keys(content)))
		}
		return
	}
	media, _ := content[kind].(map[string]any)
	if media["schema"] == nil {
		return
	}
	c.validate(place+"/content/"+escaped(kind)+"/schema", res.Body.Bytes())
}

// validate holds JSON to a schema of the document.
func (c *contract) validate(pointer string, body []byte) {
	c.t.Helper()
	s, err := c.compiler.Compile(contractURL + "#" + pointer)
	if err != nil {
		c.t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		c.t.Fatalf("%s: %v", body, err)
	}
	if err := s.Validate(value); err != nil {
		c.t.Errorf("%s is not what %s describes: %v", body, pointer, err)
	}
}

// ofTheListener are the addresses that httpserver adds.
func ofTheListener() []string { return []string{"/healthz", "/readyz", "/metrics"} }

func concrete(p string) string {
	return strings.NewReplacer("{key}", webKey, "{schema}", "content.viewed.json").Replace(p)
}

// TestEveryAddressIsDescribed: the same paths and methods, in the handler and in the
// document, and the answer to a request without key or body is a described one.
func TestEveryAddressIsDescribed(t *testing.T) {
	c, r := readContract(t), newRig(t, nil)
	want := ofTheListener()
	for _, route := range r.c.routes() {
		want = append(want, route.path)
	}
	slices.Sort(want)
	described := slices.DeleteFunc(slices.Sorted(maps.Keys(c.object("/paths"))), func(p string) bool {
		return strings.HasPrefix(p, "/api/") // the console's, which has a test of its own
	})
	if diff := cmp.Diff(want, described); diff != "" {
		t.Fatalf("the document's paths are not the handler's: %s", diff)
	}
	for _, route := range r.c.routes() {
		described := c.methods(route.path)
		for _, method := range allMethods() {
			res := r.call(method, concrete(route.path), nil, nil)
			if !slices.Contains(described, method) {
				if res.Code != http.StatusMethodNotAllowed {
					t.Errorf("%s %s is not described and answered %d %s", method, route.path, res.Code, res.Body)
				} else {
					c.validate("/components/schemas/MethodNotAllowed", res.Body.Bytes())
				}
				continue
			}
			c.check(route.path, method, res)
		}
	}
	c.validate("/components/schemas/NotFound", r.call(http.MethodGet, "/nothing", nil, nil).Body.Bytes())
}

// TestTheListenersAddressesAreDescribed asks the server that adds them.
func TestTheListenersAddressesAreDescribed(t *testing.T) {
	c, r := readContract(t), newRig(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ready error
	srv := httpserver.New(httpserver.DefaultConfig(""), l, r.h, func(context.Context) error { return ready }, r.reg, zap.NewNop())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	get := func(p string) {
		t.Helper()
		res, err := http.Get("http://" + l.Addr().String() + p)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		rec := httptest.NewRecorder()
		maps.Copy(rec.Header(), res.Header)
		rec.WriteHeader(res.StatusCode)
		if _, err := io.Copy(rec, res.Body); err != nil {
			t.Fatal(err)
		}
		c.check(p, http.MethodGet, rec)
	}
	for _, p := range ofTheListener() {
		get(p)
	}
	ready = errors.New("not yet")
	get("/readyz")
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

const aStatement = `{"id":"0197f3c2-7a5e-7c31-9d0a-0000000000aa","actor":{"account":{"homePage":"https://lms.example","name":"u"}},
	"verb":{"id":"http://adlnet.gov/expapi/verbs/completed"},"object":{"id":"https://lms.example/c1"},
	"context":{"extensions":{"https://schemas.partnerpulse.dev/xapi/partner_id":"p-1"}}}`

// TestAnswersAreAsDescribed sends what clients send, right and wrong.
func TestAnswersAreAsDescribed(t *testing.T) {
	c, r := readContract(t), newRig(t, nil)
	version := func(key string, header ...string) func(*http.Request) {
		return func(req *http.Request) {
			req.Header.Set("Authorization", "Bearer "+key)
			req.Header.Set("X-Experience-API-Version", "1.0.3")
			req.Header.Set("Content-Type", "application/json")
			for i := 0; i < len(header); i += 2 {
				req.Header.Set(header[i], header[i+1])
			}
		}
	}
	ce := func(kind string) func(*http.Request) {
		return func(req *http.Request) {
			req.Header.Set("Authorization", "Bearer "+serverKey)
			req.Header.Set("Content-Type", kind)
		}
	}
	encoded := func(req *http.Request) {
		bearer(serverKey)(req)
		req.Header.Set("Content-Encoding", "br")
	}
	const state = "?activityId=https%3A%2F%2Flms.example%2Fc1&agent=%7B%22mbox%22%3A%22mailto%3Aa%40b.example%22%7D&stateId=s"
	const statements, document = "/xapi/statements", "/xapi/activities/state"
	for _, call := range []struct {
		method, path, query, body string
		mod                       func(*http.Request)
		status                    int
	}{
		{"POST", "/v1/events", "", login("a", ""), bearer(serverKey), 202},
		{"POST", "/v1/events", "", "[" + login("a", "") + `,{"id":"b"}]`, bearer(serverKey), 202},
		{"POST", "/v1/events", "", `{"id":"b","type":"nothing"}`, bearer(serverKey), 400},
		{"POST", "/v1/events", "", `{"id":`, bearer(serverKey), 400},
		{"POST", "/v1/events", "", ``, bearer(serverKey), 400},
		{"POST", "/v1/events", "", login("a", ""), bearer("nonsense"), 401},
		{"POST", "/v1/events", "", login("a", ""), bearer(readonlyKey), 403},
		{"POST", "/v1/events", "", "[" + strings.Repeat("{},", 1000) + "{}]", bearer(serverKey), 413},
		{"POST", "/v1/events", "", login("a", ""), encoded, 415},
		{"POST", "/v1/beacon", "?key=" + webKey, login("a", ""), nil, 204},
		{"POST", "/v1/beacon", "?key=" + serverKey, login("a", ""), nil, 401},
		{"GET", "/v1/pixel.gif", "?key=" + webKey + "&partner=p-1&user=u&content=c", "", nil, 200},
		{"GET", "/v1/pixel.gif", "", "", nil, 200},
		{"POST", "/v1/track", "", `{"event":"Content Viewed","userId":"u","properties":{"partner_id":"p-1"}}`, bearer(serverKey), 200},
		{"POST", "/v1/batch", "", `{"batch":[{"type":"track","event":"Nobody Knows","userId":"u"}]}`, bearer(serverKey), 200},
		{"POST", "/v1/import", "", `{"batch":1}`, bearer(serverKey), 400},
		{"POST", "/beacon/v1/batch", "", `{"batch":[]}`, nil, 401},
		{"POST", "/v1/m", "", `{}`, nil, 200},
		{"GET", "/v1/projects/{key}/settings", "", "", nil, 200},
		{"POST", "/v1/cloudevents", "", `{"specversion":"1.0","id":"1","source":"/s","type":"portal.login","subject":"p-1","userid":"u"}`, ce("application/cloudevents+json"), 202},
		{"POST", "/v1/cloudevents", "", `[{"specversion":"1.0"}]`, ce("application/cloudevents-batch+json"), 400},
		{"POST", "/v1/cloudevents", "", `x`, ce("text/plain"), 415},
		{"GET", "/xapi/about", "", "", nil, 200},
		{"POST", statements, "", aStatement, version(serverKey), 200},
		{"POST", statements, "", strings.Replace(aStatement, "completed", "passed", 1), version(serverKey), 409},
		{"POST", statements, "", `{"actor":1}`, version(serverKey), 400},
		{"POST", statements, "", `{}`, version(serverKey, "Content-Type", "text/plain"), 415},
		{"POST", statements, "", aStatement, bearer(serverKey), 400},
		{"PUT", statements, "?statementId=0197f3c2-7a5e-7c31-9d0a-0000000000aa", aStatement, version(serverKey), 204},
		{"GET", statements, "", "", version(serverKey), 200},
		{"GET", statements, "?statementId=0197f3c2-7a5e-7c31-9d0a-0000000000aa", "", version(serverKey), 200},
		{"GET", statements, "?statementId=0197f3c2-7a5e-7c31-9d0a-0000000000bb", "", version(serverKey), 404},
		{"GET", statements, "?verb=x", "", version(serverKey), 400},
		{"GET", statements, "", "", version(webKey), 403},
		{"GET", document, state, "", version(serverKey), 404},
		{"PUT", document, state, `{"a":1}`, version(serverKey), 204},
		{"POST", document, state, `{"b":1}`, version(serverKey), 204},
		{"POST", document, state, `[`, version(serverKey), 400},
		{"GET", document, state, "", version(serverKey), 200},
		{"PUT", document, state, `{}`, version(serverKey, "If-None-Match", "*"), 412},
		{"DELETE", document, state, "", version(serverKey), 204},
		{"GET", "/tracker.js", "", "", nil, 200},
		{"GET", "/openapi.yaml", "", "", nil, 200},
		{"GET", "/events/{schema}", "", "", nil, 200},
	} {
		res := r.call(call.method, concrete(call.path)+call.query, strings.NewReader(call.body), call.mod)
		if res.Code != call.status {
			t.Errorf("%s %s%s answered %d %s, want %d", call.method, call.path, call.query, res.Code, res.Body, call.status)
		}
		c.check(call.path, call.method, res)
	}
	r.log.err = errors.New("no broker")
	for _, p := range []string{"/v1/events", "/v1/beacon"} {
		if res := r.call("POST", p, strings.NewReader(login("z", "")), bearer(serverKey)); res.Code != 503 || res.Header().Get("Retry-After") == "" {
			t.Errorf("%s answered %d without a broker", p, res.Code)
		} else {
			c.check(p, "POST", res)
		}
	}
}

// TestTheDescriptionIsServedAndMayBeCached, with the schemas that it refers to.
func TestTheDescriptionIsServedAndMayBeCached(t *testing.T) {
	r := newRig(t, nil)
	res := r.call("GET", "/openapi.yaml", nil, nil)
	if !bytes.Equal(res.Body.Bytes(), schemas.OpenAPI) || !strings.HasPrefix(res.Header().Get("Cache-Control"), "public, max-age=") {
		t.Errorf("served %d bytes with %v", res.Body.Len(), res.Header())
	}
	again := r.call("GET", "/openapi.yaml", nil, func(req *http.Request) { req.Header.Set("If-None-Match", res.Header().Get("ETag")) })
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("the same again got %d with %d bytes", again.Code, again.Body.Len())
	}
	for _, ref := range regexp.MustCompile(`\$ref: (events/[a-z_.]+)`).FindAllSubmatch(schemas.OpenAPI, -1) {
		if res := r.call("GET", "/"+string(ref[1]), nil, nil); res.Code != http.StatusOK {
			t.Errorf("%s answered %d", ref[1], res.Code)
		}
	}
	for _, name := range []string{"nothing.json", "..%2Fembed.go", "%2e%2e"} {
		if res := r.call("GET", "/events/"+name, nil, nil); res.Code != http.StatusNotFound {
			t.Errorf("%s answered %d", name, res.Code)
		}
	}
}

// TestTheDescriptionHasAllTypesAndCodes: those of the contract and of the docs.
func TestTheDescriptionHasAllTypesAndCodes(t *testing.T) {
	c := readContract(t)
	var types, described []string
	for _, e := range append(event.Types(), "custom") {
		types = append(types, "events/"+string(e)+".json")
	}
	refs, _ := c.object("/components/schemas/Event")["oneOf"].([]any)
	for _, ref := range refs {
		m, _ := ref.(map[string]any)
		name, _ := m["$ref"].(string)
		described = append(described, name)
	}
	slices.Sort(types)
	slices.Sort(described)
	if diff := cmp.Diff(types, described); diff != "" {
		t.Errorf("event types: %s", diff)
	}
	docs, err := os.ReadFile("../../docs/COLLECTOR.md")
	if err != nil {
		t.Fatal(err)
	}
	_, reasons, _ := strings.Cut(string(docs), "## Reasons for refusing a request")
	var documented []string
	for _, m := range regexp.MustCompile(`(?m)^### ([a-z_0-9]+)$`).FindAllStringSubmatch(reasons, -1) {
		documented = append(documented, m[1])
	}
	named := map[string]bool{}
	for _, s := range c.object("/components/schemas") {
		enum, _ := dig(s, "properties", "error", "properties", "code", "enum").([]any)
		for _, code := range enum {
			named[fmt.Sprint(code)] = true
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(documented, slices.Sorted(maps.Keys(named))); diff != "" {
		t.Errorf("codes of the docs and of the description: %s", diff)
	}
	_, table, _ := strings.Cut(string(docs), "## Reasons for rejecting one event")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, code := range c.object("/components/schemas/RefusalCode")["enum"].([]any) {
		if !strings.Contains(table, fmt.Sprintf("| `%s` |", code)) {
			t.Errorf("the docs do not explain %s", code)
		}
	}
	if n := strings.Count(table, "\n| `"); n != len(c.object("/components/schemas/RefusalCode")["enum"].([]any)) {
		t.Errorf("the docs have %d codes of events", n)
	}
}

func dig(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// TestEverySchemaOfTheDescriptionCompiles, wherever it is in the document.
func TestEverySchemaOfTheDescriptionCompiles(t *testing.T) {
	c := readContract(t)
	found := 0
	var walk func(v any, pointer string)
	walk = func(v any, pointer string) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				at := pointer + "/" + escaped(name)
				if ref, ok := inner.(string); ok && name == "$ref" && strings.HasPrefix(ref, "#") {
					if target, _ := c.at(strings.TrimPrefix(ref, "#")); target == nil {
						t.Errorf("%s refers to %s", pointer, ref)
					}
				}
				if name == "schema" || pointer == "/components/schemas" {
					found++
					if _, err := c.compiler.Compile(contractURL + "#" + at); err != nil {
						t.Errorf("%s: %v", at, err)
					}
				}
				walk(inner, at)
			}
		case []any:
			for i, inner := range v {
				walk(inner, fmt.Sprintf("%s/%d", pointer, i))
			}
		}
	}
	walk(c.doc, "")
	if found < 50 {
		t.Errorf("only %d schemas were found", found)
	}
}

package clickhouse

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"partnerpulse/internal/embedded/clickhouse/chdb"
)

// request is what the URL and the headers of an HTTP request say.
type request struct {
	query    string // the URL's part of the statement
	queryID  string
	database string
	format   string // default output format, "" if not given
	params   []chdb.Param
	settings map[string]string

	sessionID      string
	sessionTimeout time.Duration
	sessionCheck   bool
	closeSession   bool

	compress, decompress bool
	compressionMethod    string
	encoding             string // of the response; "" for none
	revision             uint64 // client_protocol_version
	waitEnd              bool   // wait_end_of_query
	readOnly             bool   // GET implies it
}

// notSettings are the URL parameters of ClickHouse's HTTP interface that are
// not query settings.
func notSetting(name string) bool {
	switch name {
	case "query", "query_id", "database", "default_format", "user", "password", "quota_key", "role",
		"compress", "decompress", "session_id", "session_timeout", "session_check", "close_session",
		"client_protocol_version", "buffer_size", "wait_end_of_query", "stacktrace", "http_wait_end_of_query",
		"output_format", "insert_format":
		return true
	}
	return strings.HasPrefix(name, "param_")
}

// settingName is what ClickHouse accepts as a setting's name; anything else is
// refused before it gets near a SET statement.
var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,127}$`)

// queryIDValid keeps the echoed header to what a header can hold.
var queryIDValid = regexp.MustCompile(`^[\x20-\x7e]{1,256}$`)

// parseForm reads the URL's parameters; ClickHouse takes a raw semicolon as
// part of a value, Go's parser refuses it.
func parseForm(r *http.Request) (url.Values, error) {
	form, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		return nil, badArgument("malformed URL query: %v", err)
	}
	for name, values := range form {
		for _, value := range values {
			if len(value) > fieldBytesMax {
				return nil, &chdb.Exception{Code: 1000, Name: "POCO_EXCEPTION", Message: fmt.Sprintf("HTML Form Exception: Field value too long: %s has %d bytes, more than %d", name, len(value), fieldBytesMax)}
			}
		}
	}
	return form, nil
}

// fieldBytesMax is ClickHouse's default of http_max_field_value_size: what works here is
// to work there.
const fieldBytesMax = 128 << 10

func parseRequest(r *http.Request, form url.Values) (*request, error) {
	rq := &request{
		query:             form.Get("query"),
		queryID:           firstOf(form.Get("query_id"), r.Header.Get("X-ClickHouse-Query-Id")),
		database:          firstOf(form.Get("database"), r.Header.Get("X-ClickHouse-Database")),
		format:            firstOf(form.Get("default_format"), r.Header.Get("X-ClickHouse-Format")),
		settings:          make(map[string]string),
		sessionID:         form.Get("session_id"),
		sessionCheck:      isOn(form.Get("session_check")),
		closeSession:      isOn(form.Get("close_session")),
		compress:          isOn(form.Get("compress")),
		decompress:        isOn(form.Get("decompress")),
		compressionMethod: form.Get("network_compression_method"),
		waitEnd:           isOn(form.Get("wait_end_of_query")) || isOn(form.Get("http_wait_end_of_query")),
		readOnly:          r.Method != http.MethodPost && r.Method != http.MethodPut,
	}
	if !queryIDValid.MatchString(rq.queryID) {
		rq.queryID = uuid.NewString()
	}
	if err := rq.parseSettings(form); err != nil {
		return nil, err
	}
	return rq, rq.parseProtocol(r, form)
}

func (rq *request) parseSettings(form url.Values) error {
	for name, values := range form {
		value := values[len(values)-1]
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			rq.params = append(rq.params, chdb.Param{Name: param, Value: value})
			continue
		}
		if notSetting(name) {
			continue
		}
		if !settingName.MatchString(name) {
			return &chdb.Exception{Code: 115, Name: "UNKNOWN_SETTING", Message: fmt.Sprintf("Unknown setting %q", name)}
		}
		rq.settings[name] = value
	}
	return nil
}

func (rq *request) parseProtocol(r *http.Request, form url.Values) error {
	// buffering settings belong to the front, not to the engine
	delete(rq.settings, "http_response_buffer_size")
	if v := form.Get("enable_http_compression"); v == "" || isOn(v) {
		rq.encoding = acceptedEncoding(r.Header)
	}
	if v := form.Get("client_protocol_version"); v != "" {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return badArgument("client_protocol_version %q is not a number", v)
		}
		rq.revision = n
	}
	rq.sessionTimeout = sessionTimeoutDefault
	if v := form.Get("session_timeout"); v != "" {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil || time.Duration(n)*time.Second > sessionTimeoutMax {
			return badArgument("session_timeout %q must be 0 to %d seconds", v, int(sessionTimeoutMax.Seconds()))
		}
		rq.sessionTimeout = time.Duration(n) * time.Second
	}
	return nil
}

// authenticate checks the credentials of a request against users; nil users
// admit the user default with any password.
func authenticate(r *http.Request, form url.Values, users map[string]string) error {
	user, password, ok := r.BasicAuth()
	if !ok {
		user = firstOf(r.Header.Get("X-ClickHouse-User"), form.Get("user"))
		password = firstOf(r.Header.Get("X-ClickHouse-Key"), form.Get("password"))
	}
	user = firstOf(user, "default")
	if users == nil && user == "default" {
		return nil
	}
	want, known := users[user]
	same := subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1
	if known && same {
		return nil
	}
	return &chdb.Exception{Code: codeAuthenticationFailed, Name: "AUTHENTICATION_FAILED",
		Message: user + ": Authentication failed: password is incorrect, or there is no user with such name."}
}

func badArgument(format string, args ...any) error {
	return &chdb.Exception{Code: codeBadArguments, Name: "BAD_ARGUMENTS", Message: fmt.Sprintf(format, args...)}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func isOn(v string) bool { return v == "1" || strings.EqualFold(v, "true") }

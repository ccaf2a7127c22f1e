package event

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// overheadBytes is about what the form adds to the texts of an event.
const overheadBytes = 480

// MarshalCloudEvent gives the structured CloudEvents JSON of e, the value on
// engagement.events.v1. Equal events give equal bytes. It fails when a text is not
// UTF-8 or Data not a JSON value without duplicate names.
func MarshalCloudEvent(e *Event) ([]byte, error) {
	return AppendCloudEvent(make([]byte, 0, CloudEventBytes(e)), e)
}

// CloudEventBytes is about how long the CloudEvents JSON of e is, seldom too little.
func CloudEventBytes(e *Event) int {
	c := &e.Context
	return overheadBytes + len(e.ID) + len(e.Type) + 2*len(e.Tenant) + 2*len(e.Portal) + len(e.PartnerID) +
		len(e.UserID) + len(e.AnonymousID) + len(e.SessionID) + len(e.KeyID) + len(e.Data) +
		len(c.URL) + len(c.Referrer) + len(c.Title) + len(c.UserAgent) +
		len(c.UTMSource) + len(c.UTMMedium) + len(c.UTMCampaign) + len(c.UTMTerm) + len(c.UTMContent)
}

// AppendCloudEvent adds the structured CloudEvents JSON of e to dst: the bytes that
// encoding the wire struct by reflection gives, for a fraction of the time.
func AppendCloudEvent(dst []byte, e *Event) ([]byte, error) {
	return appendCloudEvent(dst, e, false)
}

// AppendDecodedCloudEvent is AppendCloudEvent for an event whose Data is as a strict
// decoder gave it: valid JSON in UTF-8 without duplicate names. That is not checked
// again, which takes a third of the time.
func AppendDecodedCloudEvent(dst []byte, e *Event) ([]byte, error) {
	return appendCloudEvent(dst, e, isShortest(e.Data))
}

// appendCloudEvent copies Data as it is if told so.
func appendCloudEvent(dst []byte, e *Event, copyData bool) ([]byte, error) {
	w := writer{b: append(dst, `{"specversion":"1.0","id":`...)}
	w.text(e.ID)
	w.b = append(w.b, `,"source":`...)
	w.source(e.Tenant, e.Portal)
	w.field("type", string(e.Type))
	w.field("subject", e.PartnerID)
	w.b = append(e.Time.UTC().AppendFormat(append(w.b, `,"time":"`...), timeLayout), '"')
	w.b = append(w.b, `,"datacontenttype":"application/json"`...)
	w.field("tenant", e.Tenant)
	w.optional("portal", e.Portal)
	w.optional("userid", e.UserID)
	w.optional("anonymousid", e.AnonymousID)
	w.optional("sessionid", e.SessionID)
	if e.Internal {
		w.b = append(w.b, `,"internal":true`...)
	}
	w.b = append(e.ReceivedAt.UTC().AppendFormat(append(w.b, `,"receivedat":"`...), timeLayout), '"')
	w.field("via", string(e.Source))
	w.optional("ip", e.IP)
	w.optional("keyid", e.KeyID)
	w.context(&e.Context)
	w.b = append(w.b, `,"data":`...)
	if copyData {
		w.b = append(w.b, e.Data...)
	} else {
		w.data(e.Data)
	}
	if w.err != nil {
		return dst, fmt.Errorf("encoding CloudEvent: %w", w.err)
	}
	return append(w.b, '}'), nil
}

// writer appends JSON and keeps the first error.
type writer struct {
	b   []byte
	err error
}

func (w *writer) text(s string) {
	if plain(s) {
		w.b = append(append(append(w.b, '"'), s...), '"')
		return
	}
	b, err := jsontext.AppendQuote(w.b, s)
	if err != nil {
		if w.err == nil {
			w.err = err
		}
		return
	}
	w.b = b
}

// plain tells whether s is the same inside of JSON quotes, as most texts are.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (w *writer) field(name, value string) {
	w.b = append(append(append(w.b, ',', '"'), name...), '"', ':')
	w.text(value)
}

func (w *writer) optional(name, value string) {
	if value != "" {
		w.field(name, value)
	}
}

// source is the URI reference of the portal.
func (w *writer) source(tenant, portal string) {
	if plain(tenant) && plain(portal) {
		w.b = append(append(append(append(append(w.b, '"', '/'), tenant...), '/'), portal...), '"')
		return
	}
	w.text("/" + tenant + "/" + portal)
}

func (w *writer) context(c *Context) {
	w.optional("url", c.URL)
	w.optional("referrer", c.Referrer)
	w.optional("title", c.Title)
	w.optional("useragent", c.UserAgent)
	w.optional("locale", c.Locale)
	w.optional("timezone", c.Timezone)
	w.optional("screen", c.Screen)
	w.optional("utmsource", c.UTMSource)
	w.optional("utmmedium", c.UTMMedium)
	w.optional("utmcampaign", c.UTMCampaign)
	w.optional("utmterm", c.UTMTerm)
	w.optional("utmcontent", c.UTMContent)
}

// data adds v without white space and with each text in its shortest form.
func (w *writer) data(v jsontext.Value) {
	if len(v) == 0 {
		w.b = append(w.b, "{}"...)
		return
	}
	b, err := jsontext.AppendFormat(w.b, v, jsontext.AllowDuplicateNames(false),
		jsontext.AllowInvalidUTF8(false), jsontext.PreserveRawStrings(false))
	if err != nil && w.err == nil {
		w.err = err
	}
	w.b = b
}

// isShortest tells whether the valid JSON value v surely has no white space between
// its tokens and no escapes, so that AppendFormat would not change it.
func isShortest(v []byte) bool {
	if len(v) == 0 || bytes.IndexByte(v, '\\') >= 0 {
		return false
	}
	if bytes.IndexByte(v, ' ') < 0 {
		return bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 && bytes.IndexByte(v, '\t') < 0
	}
	for inText := false; ; {
		i := bytes.IndexByte(v, '"')
		if i < 0 {
			i = len(v)
		}
		if !inText && bytes.ContainsAny(v[:i], " \t\r\n") {
			return false
		}
		if i == len(v) {
			return true
		}
		v, inText = v[i+1:], !inText
	}
}

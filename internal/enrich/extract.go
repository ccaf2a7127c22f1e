package enrich

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// Extractor reads the typed fields out of data. It keeps its decoder between
// calls and is not safe for concurrent use.
type Extractor struct {
	buf bytes.Buffer
	dec *jsontext.Decoder
	tmp []byte
}

// NewExtractor makes an extractor.
func NewExtractor() *Extractor {
	x := &Extractor{}
	x.dec = jsontext.NewDecoder(&x.buf, jsontext.AllowDuplicateNames(true))
	return x
}

// Extract reads the typed fields of an event of type t out of its data, in one
// pass. It never fails: a field of the wrong JSON type or out of its column's
// range stays zero, numbers for whole-number columns lose their fraction
// (1234.7 ms is 1234), and of data that is not an object nothing is read.
func (x *Extractor) Extract(t event.Type, data []byte) Fields {
	var f Fields
	if len(data) <= len("{}") {
		return f
	}
	if x.flat(t, data, &f) {
		return f
	}
	f = Fields{}
	x.buf.Reset()
	x.buf.Write(data)
	x.dec.Reset(&x.buf, jsontext.AllowDuplicateNames(true))
	if token, err := x.dec.ReadToken(); err != nil || token.Kind() != '{' {
		return f
	}
	content := strings.HasPrefix(string(t), "content.")
	for x.dec.PeekKind() == '"' {
		name, err := x.dec.ReadValue()
		if err != nil {
			break
		}
		field := fieldOf(x.name(name))
		if field == nameNone {
			if x.dec.SkipValue() != nil {
				break
			}
			continue
		}
		value, err := x.dec.ReadValue()
		if err != nil {
			break
		}
		switch field {
		case nameKind:
			if content {
				f.ContentKind = x.text(value)
			}
		case nameScore:
			if t == event.SurveyNPSAnswered {
				f.NPS = nps(value)
			}
		default:
			x.set(&f, field, value)
		}
	}
	return f
}

// name gives the unquoted bytes of a member name, valid until the next read.
func (x *Extractor) name(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	unquoted, err := jsontext.AppendUnquote(x.tmp[:0], quoted)
	if err != nil {
		return nil
	}
	x.tmp = unquoted
	return unquoted
}

// text gives a JSON string's value, and "" for anything else.
func (x *Extractor) text(raw jsontext.Value) string {
	if raw.Kind() != '"' {
		return ""
	}
	return string(x.name(raw))
}

// set stores one field that means the same for every type of event.
func (x *Extractor) set(f *Fields, field fieldName, raw jsontext.Value) {
	if target := textField(f, field); target != nil {
		*target = x.text(raw)
		return
	}
	switch field {
	case nameWords:
		f.Words = whole(raw)
	case namePages:
		f.Pages = whole(raw)
	case nameDurationS:
		f.DurationS = whole(raw)
	case nameEngagedMS:
		f.EngagedMS = whole(raw)
	case nameMaxScrollPct:
		f.MaxScrollPct = percent(raw)
	case namePagesSeen:
		f.PagesSeen = whole(raw)
	case nameMediaPct:
		f.MediaPct = percent(raw)
	case nameResultsCount:
		f.ResultsCount = whole(raw)
	case namePosition:
		f.Position = whole(raw)
	case nameProgress:
		if v := real32(raw, 0, 100); v != nil {
			f.Progress = *v / 100
		}
	case nameScoreScaled:
		f.ScoreScaled = real32(raw, -1, 1)
	case nameDueAt:
		f.DueAt = instant(x.text(raw))
	case nameExpiresAt:
		f.ExpiresAt = instant(x.text(raw))
	case nameAmount:
		f.Amount = amount(raw)
	case nameMarginPct:
		f.MarginPct = real32(raw, -100, 100)
	case nameResponseS:
		f.ResponseS = wholeOrNil(raw)
	}
}

func textField(f *Fields, field fieldName) *string {
	switch field {
	case nameViewID:
		return &f.ViewID
	case namePath:
		return &f.Path
	case nameTitle:
		return &f.Title
	case nameContentID:
		return &f.ContentID
	case namePlaybookID:
		return &f.PlaybookID
	case nameEntrySource:
		return &f.EntrySource
	case nameChannel:
		return &f.Channel
	case nameSearchID:
		return &f.SearchID
	case nameQuery:
		return &f.Query
	case nameCourseID:
		return &f.CourseID
	case nameLeadID:
		return &f.LeadID
	case nameDealID:
		return &f.DealID
	case nameStage:
		return &f.Stage
	case namePrevStage:
		return &f.PrevStage
	case nameCurrency:
		return &f.Currency
	case nameInfluence:
		return &f.Influence
	case namePhase:
		return &f.Phase
	case nameSurveyID:
		return &f.SurveyID
	}
	return nil
}

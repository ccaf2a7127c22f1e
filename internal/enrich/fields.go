package enrich

import (
	"time"

	"github.com/shopspring/decimal"
)

// Fields are the typed columns of events that come from an event's data. The
// zero value of a field, nil for pointers, means that data does not hold it in a
// usable form; the data column keeps everything as it was sent.
type Fields struct {
	ViewID       string
	Path         string
	Title        string // not a column of its own: stands in for a missing context.title
	ContentID    string
	ContentKind  string // kind, of content.* only
	Words        uint32
	Pages        uint32
	DurationS    uint32 // seconds
	PlaybookID   string
	EntrySource  string
	EngagedMS    uint32 // milliseconds
	MaxScrollPct uint8  // 0–100
	PagesSeen    uint32
	MediaPct     uint8 // 0–100
	Channel      string
	SearchID     string
	Query        string
	ResultsCount uint32
	Position     uint32
	CourseID     string
	Progress     float32    // 0–1; sent in per cent
	ScoreScaled  *float32   // -1 to 1
	DueAt        *time.Time // UTC, milliseconds
	ExpiresAt    *time.Time // UTC, milliseconds
	LeadID       string
	DealID       string
	Stage        string
	PrevStage    string
	Amount       decimal.Decimal // four decimals, below 10^14
	Currency     string
	MarginPct    *float32
	Influence    string
	Phase        string
	ResponseS    *uint32 // seconds
	SurveyID     string
	NPS          *uint8 // score of survey.nps_answered, 0–10
}

package enrich

// Enriched is what the chain makes of an event besides Fields. What comes from the
// event and may be replaced by a step (user, address, data) is here as well.
type Enriched struct {
	UserID   string // the user, or the pseudonym
	IP       string // truncated
	URL      string
	Referrer string
	Data     []byte // JSON; aliases the event's unless a step had to remove something
	Internal bool   // said by the producer, or by a rule

	Agent        Agent
	IsBot        bool
	IsDatacentre bool
	BotSignals   Signals
	InternalRule string // name of the rule that matched first; empty: none

	Country string // ISO 3166-1 alpha-2
	Region  string // ISO 3166-2 without the country
	City    string // English name

	URLHost, URLPath string
	UTMSource        string
	UTMMedium        string
	UTMCampaign      string
	UTMTerm          string
	UTMContent       string
	ReferrerKind     ReferrerKind
	ReferrerHost     string
	ReferrerName     string // for example Google; empty for other sites
	ClockSkewMS      int64  // received_at − time, milliseconds

	Partner PartnerAttributes
	Content ContentAttributes

	// Steps lists what was applied, as name/version or name/version+reference, separated
	// by commas.
	Steps string
}

// PartnerAttributes are what the directory says of a partner. Nothing that is
// scored may read them: they are those known when the event was enriched.
type PartnerAttributes struct {
	Tier, Segment, Region string
}

// ContentAttributes are what the directory says of content.
type ContentAttributes struct {
	Title, Kind string
}

// Directory tells what is known of partners and content. It must be safe for
// concurrent use and must not block.
type Directory interface {
	Partner(tenant, partnerID string) (PartnerAttributes, bool)
	Content(tenant, contentID string) (ContentAttributes, bool)
}

// Place is where an address is, as far as known.
type Place struct {
	Country, Region, City string
}

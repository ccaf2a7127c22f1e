package segment

// Method is the kind of a call, as the SDKs name it.
type Method string

// The methods. Batch and Import carry calls of the other kinds.
const (
	Track    Method = "track"
	Page     Method = "page"
	Screen   Method = "screen"
	Identify Method = "identify"
	Group    Method = "group"
	Alias    Method = "alias"
	Batch    Method = "batch"
	Import   Method = "import"
)

// Methods lists every method with an address of its own.
func Methods() []Method {
	return []Method{Track, Page, Screen, Identify, Group, Alias, Batch, Import}
}

// Short is the one-letter form that the browser SDK calls; Import has none.
func (m Method) Short() string {
	if m == Import {
		return ""
	}
	return string(m[:1])
}

// HasCalls tells the methods whose body is a batch.
func (m Method) HasCalls() bool { return m == Batch || m == Import }

package notifier

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/detect"
)

// messageType is the type of a standard message.
const messageType = "partnerpulse.alerts.v1"

// message is the body of a standard message, in the shape that Standard Webhooks
// recommends.
type message struct {
	Type      string      `json:"type"`
	Timestamp string      `json:"timestamp"` // when it was composed
	Data      messageData `json:"data"`
}

type messageData struct {
	Tenant string         `json:"tenant"`
	Owner  string         `json:"owner"`
	Alerts []messageAlert `json:"alerts"`
}

// messageAlert is one alert: whose it is, whether it was told before, and the alert
// as on its topic.
type messageAlert struct {
	PartnerID string         `json:"partner_id"`
	Subject   string         `json:"subject"`
	Repeat    bool           `json:"repeat"`
	Alert     jsontext.Value `json:"alert"`
}

// body gives what an endpoint is sent.
func (n *Notification) body(format Format, at time.Time) ([]byte, error) {
	var v any
	if format == Slack {
		v = map[string]string{"text": n.text()}
	} else {
		m := message{Type: messageType, Timestamp: at.UTC().Format(time.RFC3339), Data: messageData{Tenant: n.Tenant, Owner: n.Owner}}
		for i, a := range n.Alerts {
			m.Data.Alerts = append(m.Data.Alerts, messageAlert{PartnerID: a.Partner, Subject: a.Subject, Repeat: n.Repeat[i], Alert: a.Data})
		}
		v = &m
	}
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding a message: %w", err)
	}
	return b, nil
}

// text is the message for people, in Slack's markup.
func (n *Notification) text() string {
	var b strings.Builder
	owner := n.Owner
	if owner == "" {
		owner = "nobody named"
	}
	fmt.Fprintf(&b, "*%s*: %d %s for %s", escape(n.Tenant), len(n.Alerts), plural(len(n.Alerts), "alert", "alerts"), escape(owner))
	for i, a := range n.Alerts {
		var d struct {
			DropPct  float64 `json:"drop_pct"`
			ChangeAt string  `json:"estimated_change_at"`
			Action   string  `json:"suggested_action"`
		}
		if json.Unmarshal(a.Data, &d) != nil {
			d.Action = "" // the rest still tells whom to look at
		}
		fmt.Fprintf(&b, "\n• *%s* %s is %s (%s)", escape(a.Subject), escape(string(a.Rule)), escape(string(a.Status)), escape(a.Severity))
		if a.Rule == detect.RuleDrop && a.open() {
			fmt.Fprintf(&b, ", %.0f %% fewer sessions", d.DropPct)
		}
		if d.ChangeAt != "" {
			fmt.Fprintf(&b, ", since %s", escape(d.ChangeAt))
		}
		if n.Repeat[i] {
			b.WriteString(", as told before")
		}
		if d.Action != "" {
			fmt.Fprintf(&b, ". %s", escape(d.Action))
		}
	}
	return b.String()
}

// escape keeps what strangers chose, such as a search term, from being markup or a
// mention: Slack asks for these three.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", " ", "\r", " ").Replace(s)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

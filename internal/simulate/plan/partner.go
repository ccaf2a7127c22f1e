package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Partner is one company of the programme.
type Partner struct {
	ID, Name, Tier, Segment, Region, Owner string
	Users                                  []string // ids of its people, the most active first
	BaseRate                               float64  // expected sessions on a normal working day
	Fate                                   Fate

	index     int
	place     place
	activity  []float64 // running weights of Users
	agents    []string  // browser of each user
	screens   []string
	trainings float64 // eagerness to train, 1 is normal
	deals     float64 // deals started per working day
	mood      float64 // mean NPS answer of its people
	cadence   int     // days between completions that it committed to, 0 for none
}

// place is where a partner works; its office hours follow from it.
type place struct {
	region, locale, zone, currency string
	opensUTC                       float64 // hour at which the working day begins
}

func places() []place {
	return []place{
		{"EMEA", "de-DE", "Europe/Berlin", "EUR", 7}, {"EMEA", "en-GB", "Europe/London", "GBP", 8},
		{"EMEA", "fr-FR", "Europe/Paris", "EUR", 7}, {"AMER", "en-US", "America/New_York", "USD", 13},
		{"AMER", "en-US", "America/Chicago", "USD", 13}, {"AMER", "pt-BR", "America/Sao_Paulo", "BRL", 12},
		{"APAC", "en-SG", "Asia/Singapore", "SGD", 1}, {"APAC", "ja-JP", "Asia/Tokyo", "JPY", 0},
	}
}

// newPartner draws partner number i. Only its fate depends on the others.
func (w *World) newPartner(i int) Partner {
	r := w.rng(streamPartner, uint64(i))
	users := int(math.Round(min(60, max(1, logNormal(r, 5, .95)))))
	// Larger partners have more occasional users: sessions grow slower than heads.
	perUserWeek := logNormal(r, 2.1, .4) * math.Pow(float64(users), -.1)
	at := pick(r, places())
	p := Partner{
		ID: numbered("p", i+1), Name: companyName(i), Region: at.region,
		Owner: fmt.Sprintf("cm-%s-%d", slug(at.region), 1+r.IntN(4)), BaseRate: float64(users) * perUserWeek / 5,
		index: i, place: at, trainings: logNormal(r, 1, .6),
		deals: .02 * math.Pow(float64(users), .75) * logNormal(r, 1, .5), mood: between(r, 6.2, 9.6),
	}
	p.Tier, p.Segment = tierOf(users, r), pick(r, []string{"reseller", "reseller", "msp", "si", "isv"})
	if p.Tier != "bronze" {
		p.cadence = pick(r, []int{30, 60, 60, 90})
	}
	sum := 0.0
	for n := range users {
		sum += 1 / (float64(n) + 1.5)
		p.activity = append(p.activity, sum)
		p.Users = append(p.Users, fmt.Sprintf("u-%04d-%02d", i+1, n+1))
		p.agents = append(p.agents, pick(r, browsers()))
		p.screens = append(p.screens, pick(r, screens()))
	}
	return p
}

// companyName is unique: after all pairs of names, a number tells them apart.
func companyName(i int) string {
	first, last := firstNames(), lastNames()
	name := first[i%len(first)] + " " + last[(i/len(first)+i)%len(last)]
	if round := i / (len(first) * len(last)); round > 0 {
		name = fmt.Sprintf("%s %d", name, round+1)
	}
	return name
}

func tierOf(users int, r *rand.Rand) string {
	switch size := float64(users) * logNormal(r, 1, .4); {
	case size > 25:
		return "platinum"
	case size > 10:
		return "gold"
	case size > 4:
		return "silver"
	default:
		return "bronze"
	}
}

// normalRate is the expected number of sessions without the partner's fate.
func (p *Partner) normalRate(d Day) float64 {
	rate := p.BaseRate * weekdayProfile(d.Weekday()) * season(d)
	if isHoliday(d, p.Region) {
		rate *= holidayShare
	}
	return rate
}

// officeDay tells working days of the partner.
func (p *Partner) officeDay(d Day) bool { return !d.IsWeekend() && !isHoliday(d, p.Region) }

// nextOfficeDay is d or the first working day after it.
func (p *Partner) nextOfficeDay(d Day) Day {
	for !p.officeDay(d) {
		d++
	}
	return d
}

const officeHours = 9.5

// officeTime draws an instant of the working day, with peaks in the morning and
// the afternoon. All offices open and close within one UTC day.
func (p *Partner) officeTime(r *rand.Rand) time.Duration {
	peak := pick(r, []float64{2.3, 2.3, 6.4})
	hour := min(officeHours, max(0, peak+1.5*r.NormFloat64()))
	if hour == 0 || hour == officeHours {
		hour = between(r, 0, officeHours)
	}
	return time.Duration((p.place.opensUTC + hour) * float64(time.Hour))
}

func firstNames() []string {
	return []string{
		"Alder", "Brook", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper", "Keystone", "Lumen",
		"Meridian", "North", "Orchard", "Pioneer", "Quarry", "Ridge", "Summit", "Tidal", "Umber", "Vantage", "Willow", "Zenith",
	}
}

func lastNames() []string {
	return []string{"Systems", "Digital", "Consulting", "Networks", "Solutions", "Labs", "IT Services", "Partners", "Cloud", "Technologies"}
}

func screens() []string {
	return []string{"1920x1080", "1920x1080", "2560x1440", "1536x864", "1440x900", "390x844", "3840x2160"}
}

// browsers are user agents as current browsers send them; desktop ones prevail.
func browsers() []string {
	return []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
		"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1",
	}
}

// bots are user agents of programs that follow links.
func bots() []string {
	return []string{
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
		"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
		"Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
	}
}

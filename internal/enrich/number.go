package enrich

import (
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/shopspring/decimal"
)

// whole reads a JSON number for a UInt32 column: the fraction is cut off, and
// what is negative, too large or no number is 0.
func whole(raw jsontext.Value) uint32 {
	if v := wholeOrNil(raw); v != nil {
		return *v
	}
	return 0
}

// wholeOrNil is whole with nil where that gives 0 for a lack of a usable number.
func wholeOrNil(raw jsontext.Value) *uint32 {
	v, ok := number(raw)
	if !ok || v < 0 || v > math.MaxUint32 {
		return nil
	}
	n := uint32(v)
	return &n
}

// percent reads 0–100 without its fraction, and 0 for everything else.
func percent(raw jsontext.Value) uint8 {
	v, ok := number(raw)
	if !ok || v < 0 || v > 100 {
		return 0
	}
	return uint8(v)
}

// nps reads a whole number from 0 to 10, and nil for everything else: a score
// of 6.5 is neither a detractor's nor a passive's.
func nps(raw jsontext.Value) *uint8 {
	v, ok := number(raw)
	if !ok || v < 0 || v > 10 || v != math.Trunc(v) {
		return nil
	}
	n := uint8(v)
	return &n
}

// real32 reads a number within [low, high], and nil for everything else.
func real32(raw jsontext.Value, low, high float64) *float32 {
	v, ok := number(raw)
	if !ok || v < low || v > high {
		return nil
	}
	n := float32(v)
	return &n
}

// number reads a JSON number. Digits only, by far the most common, need no
// general parser. A number beyond float64 is not usable.
func number(raw jsontext.Value) (float64, bool) {
	if raw.Kind() != '0' {
		return 0, false
	}
	const digitsExact = 15 // below 2^53
	if len(raw) <= digitsExact {
		n := 0
		for i, c := range raw {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + int(c-'0')
			if i == len(raw)-1 {
				return float64(n), true
			}
		}
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	return v, err == nil
}

// Limits of amount: Decimal(18, 4).
const (
	amountScale     = 4
	amountLimit     = 1e14
	amountLengthMax = 64 // bytes of the number as written
)

// amount reads a number exactly as it is written, rounds half away from zero to
// four decimals, and gives 0 for what Decimal(18, 4) cannot hold.
func amount(raw jsontext.Value) decimal.Decimal {
	v, ok := number(raw)
	// The size check comes first: decimal would expand 1e999999999 to as many digits.
	if !ok || len(raw) > amountLengthMax || math.Abs(v) >= amountLimit || math.Abs(v) < 1e-5 {
		return decimal.Decimal{}
	}
	exact, err := decimal.NewFromString(string(raw))
	if err != nil {
		return decimal.Decimal{}
	}
	exact = exact.Round(amountScale)
	if exact.Abs().Cmp(decimal.New(1, 14)) >= 0 {
		return decimal.Decimal{}
	}
	return exact
}

// instant reads an RFC 3339 time for a DateTime64(3) column, in UTC and cut to
// milliseconds, and gives nil for anything else or a year outside 1970–2261.
func instant(s string) *time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Year() < 1970 || t.Year() > 2261 {
		return nil
	}
	return &t
}

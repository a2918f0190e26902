package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Missing is printed where there is no number: NaN, nil, not defined for the case.
const Missing = "–"

// Unit says how a number of a column or a caption is printed.
type Unit struct {
	Symbol string  // after a number, or in a column's head; "" for none
	Scale  float64 // multiplies the value first; 0 means 1
	Digits int     // after the decimal point, for numbers that are not integers by type
}

// The units of this program.
var (
	Score            = Unit{Digits: 3}                            // a measure in [0, 1]
	Percent          = Unit{Symbol: "%", Scale: 100, Digits: 1}   // a fraction shown in per cent
	Probability      = Unit{Digits: 2}                            // a probability
	Millimetres      = Unit{Symbol: "mm", Digits: 1}              // a length or a coordinate
	CubicMillimetres = Unit{Symbol: "mm³", Digits: 1}             // a volume
	Millilitres      = Unit{Symbol: "ml", Scale: 1e-3, Digits: 2} // a volume given in mm³
	Seconds          = Unit{Symbol: "s", Digits: 1}               // a time
)

// Format prints x with the unit's digits, without its symbol.
func (u Unit) Format(x float64) string {
	if u.Scale != 0 {
		x *= u.Scale
	}
	switch {
	case math.IsNaN(x):
		return Missing
	case math.IsInf(x, 1):
		return "∞"
	case math.IsInf(x, -1):
		return "−∞"
	}
	s := strconv.FormatFloat(x, 'f', u.Digits, 64)
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		if strings.Trim(rest, "0.") == "" {
			return rest // −0.0 is a rounding, not a sign
		}
		return "−" + rest
	}
	return s
}

// Text prints x with its symbol: "12.5 mm³".
func (u Unit) Text(x float64) string {
	s := u.Format(x)
	if u.Symbol == "" || s == Missing {
		return s
	}
	return s + " " + u.Symbol
}

// Range prints an interval: "0.41 to 0.62"; Missing if an end is NaN.
func (u Unit) Range(low, high float64) string {
	if math.IsNaN(low) || math.IsNaN(high) {
		return Missing
	}
	return u.Format(low) + " to " + u.Format(high)
}

// Figure is the text of a table's cell that is set like a number: one with its own
// digits, or an interval.
type Figure string

// cell prints one table cell and tells whether it is a number (or a missing one).
func (u Unit) cell(v any) (text string, number bool) {
	switch v := v.(type) {
	case nil:
		return Missing, true
	case float64:
		return u.Format(v), true
	case float32:
		return u.Format(float64(v)), true
	case int:
		return u.integer(int64(v)), true
	case int64:
		return u.integer(v), true
	case time.Duration:
		return Duration(v), true
	case bool:
		if v {
			return "yes", false
		}
		return "no", false
	case Figure:
		return string(v), true
	case string:
		return v, false
	case fmt.Stringer:
		return v.String(), false
	}
	return fmt.Sprint(v), false
}

func (u Unit) integer(v int64) string {
	if u.Scale != 0 && u.Scale != 1 {
		return u.Format(float64(v))
	}
	return Unit{}.Format(float64(v))
}

// Duration prints d the way people say it: "0.8 s", "4 min 03 s", "2 h 05 min".
func Duration(d time.Duration) string {
	if d < 0 {
		return "−" + Duration(-d)
	}
	switch s := d.Seconds(); {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", s*1e3)
	case s < 59.95:
		return fmt.Sprintf("%.1f s", s)
	case s < 3599.5:
		n := int(math.Round(s))
		return fmt.Sprintf("%d min %02d s", n/60, n%60)
	default:
		n := int(math.Round(s / 60))
		return fmt.Sprintf("%d h %02d min", n/60, n%60)
	}
}

package report

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		x    float64
		want string
	}{
		{Score, 0.61249, "0.612"},
		{Score, math.NaN(), "–"},
		{Score, math.Inf(1), "∞"},
		{Percent, 0.825, "82.5 %"},
		{Percent, math.NaN(), "–"},
		{Millimetres, -23.14, "−23.1 mm"},
		{Millimetres, -0.04, "0.0 mm"},
		{CubicMillimetres, 2475.04, "2475.0 mm³"},
		{CubicMillimetres, math.Inf(-1), "−∞ mm³"},
		{Millilitres, 49769, "49.77 ml"},
	} {
		require.Equal(t, c.want, c.unit.Text(c.x))
	}
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		unit   Unit
		v      any
		want   string
		number bool
	}{
		{Unit{}, 7066434, "7066434", true},
		{Unit{}, int64(-3), "−3", true},
		{Score, 5, "5", true}, // a count stays one in a column of scores
		{Percent, 1, "100.0", true},
		{Score, float32(0.5), "0.500", true},
		{Score, nil, "–", true},
		{Score, true, "yes", false},
		{Score, 90 * time.Second, "1 min 30 s", true},
		{Score, Coronal, "coronal", false},
		{Score, "text", "text", false},
	} {
		text, number := c.unit.cell(c.v)
		require.Equal(t, c.want, text)
		require.Equal(t, c.number, number, c.want)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "0 µs",
		12 * time.Microsecond:            "12 µs",
		42*time.Millisecond + 3e5:        "42.3 ms",
		800 * time.Millisecond:           "0.8 s",
		59*time.Second + 940e6:           "59.9 s",
		59*time.Second + 960e6:           "1 min 00 s",
		4*time.Minute + 3*time.Second:    "4 min 03 s",
		time.Hour - 300*time.Millisecond: "1 h 00 min",
		26*time.Hour + 5*time.Minute:     "26 h 05 min",
		-2 * time.Second:                 "−2.0 s",
	} {
		require.Equal(t, want, Duration(d))
	}
}

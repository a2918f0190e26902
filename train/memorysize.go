package train

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes writes a number of bytes for people: "4.71 GB", of 10⁹ bytes.
func Bytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%d bytes", n)
}

// ParseBytes reads "12GB" (of 10⁹ bytes), "12GiB" (of 2³⁰), with M and K alike, or a
// plain number of bytes.
func ParseBytes(text string) (int64, error) {
	bad := fmt.Errorf("%q is not an amount of memory: write for example 12GB or 11.5GiB", text)
	s := strings.ToLower(strings.TrimSpace(text))
	i := strings.LastIndexAny(s, "0123456789.") + 1
	units := map[string]float64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
	unit, ok := units[strings.TrimSpace(s[i:])]
	if !ok {
		return 0, bad
	}
	x, err := strconv.ParseFloat(s[:i], 64)
	if err != nil || !(x*unit >= 1) || x*unit > math.MaxInt64/2 {
		return 0, bad
	}
	return int64(x * unit), nil
}

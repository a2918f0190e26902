package settings

import (
	"fmt"
	"math"
	"strings"

	"voxgrad/internal/text"
)

// CheckSeed refuses a seed that cannot be written with the settings: the whole numbers of
// TOML are signed.
func CheckSeed(n uint64) error {
	if n > math.MaxInt64 {
		return fmt.Errorf("%d is too large: a seed is at most %d", n, int64(math.MaxInt64))
	}
	return nil
}

// OneOf is an error unless s is one of the known words.
func OneOf(name, s string, known ...string) error {
	for _, k := range known {
		if s == k {
			return nil
		}
	}
	return fmt.Errorf("%s = %q: want %s%s", name, s, strings.Join(known, " or "), text.DidYouMean(s, known))
}

// Within is an error unless lo ≤ x ≤ hi.
func Within[T int | float64](name string, x, lo, hi T) error {
	if !(x >= lo && x <= hi) {
		return fmt.Errorf("%s = %v: must be from %v to %v", name, x, lo, hi)
	}
	return nil
}

// Below is an error unless lo ≤ x < hi.
func Below(name string, x, lo, hi float64) error {
	if !(x >= lo && x < hi) {
		return fmt.Errorf("%s = %g: must be from %g to less than %g", name, x, lo, hi)
	}
	return nil
}

// Above is an error unless x is a number above 0.
func Above(name string, x float64) error {
	if !(x > 0) || math.IsInf(x, 0) {
		return fmt.Errorf("%s = %g: must be above 0", name, x)
	}
	return nil
}

// Range is an error unless least ≤ lo ≤ hi ≤ most for name_min and name_max.
func Range[T int | float64](name string, lo, hi, least, most T) error {
	if !(lo <= hi) {
		return fmt.Errorf("%s_min = %v is above %s_max = %v", name, lo, name, hi)
	}
	if err := Within(name+"_min", lo, least, most); err != nil {
		return err
	}
	return Within(name+"_max", hi, least, most)
}

package devicetest

import (
	"fmt"
	"math"
)

// compareStored is compare of results that were rounded when they were stored: what is judged is how far they are from the
// values that are rounded to them, half the distance to their neighbours.
func compareStored(got []float32, want []float64, terms, scale float64, tol Tolerance, stored func(float32) float32) (Report, error) {
	if stored == nil {
		return compare(got, want, terms, scale, tol)
	}
	exact := make([]float64, len(want))
	for i, w := range want {
		if exact[i] = float64(stored(float32(w))); terms == 0 || float64(got[i]) == exact[i] {
			continue // the nearest that can be stored
		}
		if stored(got[i]) != got[i] && got[i] == got[i] {
			return Report{}, fmt.Errorf("element %d is %g, which cannot be stored", i, got[i])
		}
		near, far := float64(got[i]), w // near is rounded to what was got, far is not
		for range 40 {
			if m := (near + far) / 2; stored(float32(m)) == got[i] {
				near = m
			} else {
				far = m
			}
		}
		exact[i] = float64(got[i]) + w - near
	}
	return compare(got, exact, terms, scale, tol)
}

// compare judges got against want. terms is K of Tolerance, 0 where the bits
// must agree; scale is the size a result has before terms cancel, if larger than
// the results themselves.
func compare(got []float32, want []float64, terms, scale float64, tol Tolerance) (Report, error) {
	var top, sum2, err2, worst float64
	at := -1
	for i, e := range want {
		top = math.Max(top, math.Abs(e))
		sum2 += e * e
		d := math.Abs(float64(got[i]) - e)
		err2 += d * d
		if d > worst || math.IsNaN(d) && !math.IsNaN(worst) {
			worst, at = d, i
		}
	}
	r := Report{
		MaxErr: worst,
		Bound:  tol.Max * tol.Eps * math.Sqrt(terms) * math.Max(top, scale),
	}
	if tol.Top > 0 {
		r.Bound = math.Min(r.Bound, tol.Top*math.Max(top, scale))
	}
	if err2 != 0 {
		r.OfSize = worst / math.Max(top, scale)
		r.NMSE = err2 / math.Max(sum2, scale*scale*float64(len(want)))
	}
	if terms == 0 {
		for i := range want {
			if w := float32(want[i]); got[i] != w && !(got[i] != got[i] && w != w) { // NaNs are all alike
				return r, fmt.Errorf("element %d is %g, expected exactly %g", i, got[i], want[i])
			}
		}
		return Report{}, nil
	}
	if !(worst <= r.Bound) {
		return r, fmt.Errorf("element %d is %g, expected %g: error %.3g above the bound %.3g", at, got[at], want[at], worst, r.Bound)
	}
	if !(r.NMSE <= tol.NMSE) {
		return r, fmt.Errorf("normalised mean-square error %.3g above %.3g", r.NMSE, tol.NMSE)
	}
	return r, nil
}

// worse keeps the report that is nearer to its bound.
func (r *Report) worse(o Report) {
	largest := math.Max(r.OfSize, o.OfSize)
	defer func() { r.OfSize = largest }()
	if o.Bound > 0 && (r.Bound == 0 || !(o.MaxErr/o.Bound <= r.MaxErr/r.Bound)) {
		o.Guarded = r.Guarded
		*r = o
	}
}

// sameBits compares two downloads; NaNs are all alike.
func sameBits(a, b []float32) error {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) && !(a[i] != a[i] && b[i] != b[i]) {
			return fmt.Errorf("element %d was %g and became %g", i, a[i], b[i])
		}
	}
	return nil
}

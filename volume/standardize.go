package volume

// Percentiles between which Standardize puts intensities at 0 and 1.
const (
	standardLow  = 0.005
	standardHigh = 0.99
)

// Standardize maps the intensities' lowest and highest to 0 and 1, outliers left out, in place: what brain extraction sees of a
// scan of any contrast and unit. Values are limited to [0, 2].
func Standardize(x []float32) {
	lo, hi := percentiles(x)
	if !(hi > lo) {
		clear(x)
		return
	}
	scale := 1 / (hi - lo)
	for i, v := range x {
		x[i] = min(max((v-lo)*scale, 0), 2)
	}
}

// percentiles finds the two percentiles by a histogram of fixed fineness.
func percentiles(x []float32) (lo, hi float32) {
	const bins = 4096
	least, most := x[0], x[0]
	for _, v := range x {
		least, most = min(least, v), max(most, v)
	}
	if !(most > least) {
		return least, most
	}
	var count [bins]int
	scale := float32(bins) / (most - least)
	for _, v := range x {
		count[min(int((v-least)*scale), bins-1)]++
	}
	find := func(share float64) float32 {
		need, b := int(share*float64(len(x))), 0
		for ; b < bins-1; b++ {
			if need -= count[b]; need < 0 {
				break
			}
		}
		return least + (float32(b)+0.5)/scale
	}
	return find(standardLow), find(standardHigh)
}

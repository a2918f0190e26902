package cpu

// passArgs describes one pass of a transform: for each row r, i in [0, count) and l in [0, n), n a multiple
// of 8, the values at src[r·srcRow + i·srcNext + l + k·srcStep], k = 0, 1, …, become those at
// dst[r·dstRow + i·dstNext + l + k·dstStep].
type passArgs struct {
	dst, src         []float32
	n, count, rows   int
	srcStep, dstStep int
	srcNext, dstNext int
	srcRow, dstRow   int
}

// pass is one of the transforms of F(2,3) along an axis, with a, b, c, d for k = 0, 1, 2, 3.
type pass int

const (
	winoIn          pass = iota // Bᵀ, of the input: a − c, b + c, c − b, b − d
	winoOut                     // Aᵀ, of the products: a + b + c, b − c − d
	winoBack                    // A, of the output's gradient: a, a + b, a − b, −b
	winoWeights                 // G, of the weights: a, (a + b + c)/2, (a − b + c)/2, c
	winoWeightsBack             // Gᵀ, of the sums of products: a + (b + c)/2, (b − c)/2, (b + c)/2 + d
)

func (b *engine) pass(kind pass, a *passArgs) {
	if b.simd {
		switch kind {
		case winoIn:
			winoInAVX2(a)
		case winoOut:
			winoOutAVX2(a)
		case winoBack:
			winoBackAVX2(a)
		case winoWeights:
			winoWeightsAVX2(a)
		case winoWeightsBack:
			winoWeightsBackAVX2(a)
		}
		return
	}
	for i := range a.rows * a.count {
		var s, d [4][]float32
		for k := range 4 { // those past the end are not used
			if at := i/a.count*a.srcRow + i%a.count*a.srcNext + k*a.srcStep; at+a.n <= len(a.src) {
				s[k] = a.src[at:][:a.n]
			}
			if at := i/a.count*a.dstRow + i%a.count*a.dstNext + k*a.dstStep; at+a.n <= len(a.dst) {
				d[k] = a.dst[at:][:a.n]
			}
		}
		for l := range a.n {
			switch kind {
			case winoIn:
				d[0][l], d[1][l], d[2][l], d[3][l] = s[0][l]-s[2][l], s[1][l]+s[2][l], s[2][l]-s[1][l], s[1][l]-s[3][l]
			case winoOut:
				d[0][l], d[1][l] = s[0][l]+s[1][l]+s[2][l], s[1][l]-s[2][l]-s[3][l]
			case winoBack:
				d[0][l], d[1][l], d[2][l], d[3][l] = s[0][l], s[0][l]+s[1][l], s[0][l]-s[1][l], 0-s[1][l]
			case winoWeights:
				sum := s[0][l] + s[2][l]
				d[0][l], d[1][l], d[2][l], d[3][l] = s[0][l], (sum+s[1][l])*0.5, (sum-s[1][l])*0.5, s[2][l]
			case winoWeightsBack:
				sum := (s[1][l] + s[2][l]) * 0.5
				d[0][l], d[1][l], d[2][l] = s[0][l]+sum, (s[1][l]-s[2][l])*0.5, sum+s[3][l]
			}
		}
	}
}

// finish: y = sum + base, but not below floor.
func (b *engine) finish(y, sum, base []float32, floor float32) {
	n := b.vectors(len(sum), vector)
	if n > 0 {
		finishAVX2(&y[0], &sum[0], &base[0], n, floor)
	}
	for ; n < len(sum); n++ {
		v := sum[n] + base[n]
		if v < floor { // false for NaN, which stays
			v = floor
		}
		y[n] = v
	}
}

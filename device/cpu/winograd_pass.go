package cpu

import "math"

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

// used is which of the four places along an axis have weights: all, or all but the last or the first.
type used int

const (
	all4 used = iota
	head
	tail
)

// span is the places [from, to).
func (u used) span() (from, to int) { return [...]int{0, 0, 1}[u], [...]int{4, 3, 4}[u] }

func (b *engine) pass(kind pass, u used, a *passArgs) {
	if b.simd {
		wide := b.wide && a.n%16 == 0
		switch { // direct calls: the arguments stay on the stack
		case wide && kind == winoIn && u == all4:
			winoInAVX512(a)
		case wide && kind == winoIn && u == head:
			winoInHeadAVX512(a)
		case wide && kind == winoIn:
			winoInTailAVX512(a)
		case wide && kind == winoBack && u == all4:
			winoBackAVX512(a)
		case kind == winoWeights:
			winoWeightsAVX2(a)
		case kind == winoWeightsBack:
			winoWeightsBackAVX2(a)
		case kind == winoIn && u == all4:
			winoInAVX2(a)
		case kind == winoIn && u == head:
			winoInHeadAVX2(a)
		case kind == winoIn:
			winoInTailAVX2(a)
		case kind == winoOut && u == all4:
			winoOutAVX2(a)
		case kind == winoOut && u == head:
			winoOutHeadAVX2(a)
		case kind == winoOut:
			winoOutTailAVX2(a)
		case u == all4:
			winoBackAVX2(a)
		case u == head:
			winoBackHeadAVX2(a)
		default:
			winoBackTailAVX2(a)
		}
		return
	}
	for i := range a.rows * a.count {
		src, dst := a.src[i/a.count*a.srcRow+i%a.count*a.srcNext:], a.dst[i/a.count*a.dstRow+i%a.count*a.dstNext:]
		read := func(k, l int) float32 { return src[k*a.srcStep+l] }
		for l := range a.n {
			var x [4]float32
			switch kind {
			case winoIn:
				p, q := read(1, l), read(2, l)
				if x[1], x[2] = p+q, q-p; u != tail {
					x[0] = read(0, l) - q
				}
				if u != head {
					x[3] = p - read(3, l)
				}
			case winoOut:
				p, q := read(1, l), read(2, l)
				first := p
				if u != tail {
					first = read(0, l) + p
				}
				if x[0], x[1] = first+q, p-q; u != head {
					x[1] -= read(3, l)
				}
				dst[l], dst[a.dstStep+l] = x[0], x[1]
				continue
			case winoBack:
				p, q := read(0, l), read(1, l)
				x = [4]float32{p, p + q, p - q, 0 - q}
			case winoWeights:
				sum := read(0, l) + read(2, l)
				x = [4]float32{read(0, l), (sum + read(1, l)) * 0.5, (sum - read(1, l)) * 0.5, read(2, l)}
			case winoWeightsBack:
				sum := (read(1, l) + read(2, l)) * 0.5
				x = [4]float32{read(0, l) + sum, (read(1, l) - read(2, l)) * 0.5, sum + read(3, l)}
				dst[l], dst[a.dstStep+l], dst[2*a.dstStep+l] = x[0], x[1], x[2]
				continue
			}
			from, to := u.span()
			for k := from; k < to; k++ {
				dst[k*a.dstStep+l] = x[k]
			}
		}
	}
}

// finishArgs describes one call of the end of a convolution: for i in [0, count) and l in [0, n), n a multiple of 8
//
//	y[i·yNext + l] = max(floor, sum[i·n + l] + base[i·baseNext + l])
type finishArgs struct {
	y, sum, base    []float32
	n, count        int
	yNext, baseNext int
	floor           float32
}

func (b *engine) finish(a *finishArgs) {
	if b.simd {
		finishAVX2(a)
		return
	}
	for i := range a.count {
		for l, v := range a.sum[i*a.n:][:a.n] {
			v += a.base[i*a.baseNext+l]
			if v < a.floor { // false for NaN, which stays
				v = a.floor
			}
			a.y[i*a.yNext+l] = v
		}
	}
}

// pairArgs describes one call of the pass along the first axis, which takes its planes from where they are: for each row r,
// i in [0, count) and l in [0, n), n a multiple of 8
//
//	dst[r·dstRow + i·dstNext + l] = x[r·xRow + i·xNext + l] ± y[r·yRow + i·yNext + l]
type pairArgs struct {
	dst, x, y             []float32
	n, count, rows        int
	dstNext, xNext, yNext int
	dstRow, xRow, yRow    int
	sign                  uint32 // flipped in y: 1<<31 or 0
}

func (b *engine) pair(a *pairArgs) {
	switch {
	case b.wide && a.n%16 == 0:
		winoPairAVX512(a)
		return
	case b.simd:
		winoPairAVX2(a)
		return
	}
	for r := range a.rows {
		for i := range a.count {
			x, y := a.x[r*a.xRow+i*a.xNext:][:a.n], a.y[r*a.yRow+i*a.yNext:][:a.n]
			for l, v := range y {
				a.dst[r*a.dstRow+i*a.dstNext+l] = x[l] + math.Float32frombits(math.Float32bits(v)^a.sign)
			}
		}
	}
}

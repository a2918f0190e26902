package cpu

import (
	"unsafe"

	"voxgrad/device"
	"voxgrad/internal/par"
)

// gramArgs describes one call of the kernel behind covariances: for i in [0, 4) and j in [0, n), n a multiple of 8
//
//	c[i·cStep + j] += Σ over v in [0, rows) of x[v·xStep + i] · y[v·yStep + j]
type gramArgs struct {
	c, x, y             []float64
	rows, n             int
	cStep, xStep, yStep int
}

func (b *engine) gram(a *gramArgs) {
	b.executed.Add(2 * int64(4*a.n*a.rows))
	if b.simd {
		gramAVX2(a)
		return
	}
	for i := range 4 {
		for j := range a.n {
			s := a.c[i*a.cStep+j]
			for v := range a.rows {
				s += a.x[v*a.xStep+i] * a.y[v*a.yStep+j]
			}
			a.c[i*a.cStep+j] = s
		}
	}
}

const (
	gramRows  = 64 // rows of a call
	gramParts = 16 // of the rows, added in order
)

// doubles is a workspace's memory as half as many float64.
func doubles(x []float32) []float64 {
	return unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/2)
}

// covariance is the mean of x's rows of c channels, and their covariance, [wide][wide] at the start of a workspace that the caller
// frees, wide being c rounded up to whole vectors. It works in float64 about the first row.
func (b *engine) covariance(x []float32, c, wide int) (mean []float64, space []float32) {
	n := len(x) / c
	parts := min(gramParts, ceil(n, gramRows))
	size := wide*wide + wide // the sums of products, those of the rows
	space = b.workspace(2 * parts * size)
	sums := doubles(space)
	clear(sums)
	b.forScratch(parts, func(s *scratch, p int) {
		to := sums[p*size:][:size]
		rows := doubles(s.floats(0, 2*gramRows*wide))
		clear(rows)
		hi := (p + 1) * n / parts
		for lo := p * n / parts; lo < hi; lo += gramRows {
			m := min(gramRows, hi-lo)
			for v := range m {
				row := rows[v*wide:][:c]
				for i, value := range x[(lo+v)*c:][:c] {
					d := float64(value) - float64(x[i])
					row[i] = d
					to[wide*wide+i] += d
				}
			}
			for i := 0; i < wide; i += 4 {
				j := i &^ 7 // what is left of it is that of the other half
				b.gram(&gramArgs{c: to[i*wide+j:], x: rows[i:], y: rows[j:], rows: m, n: wide - j, cStep: wide, xStep: wide, yStep: wide})
			}
		}
	})
	for p := 1; p < parts; p++ {
		for i, v := range sums[p*size:][:size] {
			sums[i] += v
		}
	}
	mean = make([]float64, c)
	for i := range mean {
		mean[i] = sums[wide*wide+i] / float64(n)
	}
	cov := sums[:wide*wide]
	for i := range c {
		for j := i; j < c; j++ {
			v := cov[i*wide+j]/float64(n) - mean[i]*mean[j]
			cov[i*wide+j], cov[j*wide+i] = v, v
		}
	}
	for i := range mean {
		mean[i] += float64(x[i])
	}
	return mean, space
}

// compositeMoments is channelMoments of a tensor upsampled by a transposed convolution, which is not made: at each position k of
// the window it is w[k]ᵀx + b, of mean w[k]ᵀ·mean(x) + b and variance w[k]ᵀ·cov(x)·w[k].
func (b *engine) compositeMoments(x []float32, s device.Source, w, bias []float32) (shift []float32, moments []float64) {
	cx, c := s.X.C, s.Out().C
	in, out := ceil(cx, 8)*8, ceil(c, 8)*8
	mean, first := b.covariance(x, cx, in)
	cov := doubles(first)
	size := 2 * in * out
	space := b.workspace(2 * 8 * size)
	defer b.free(first, space)
	var means, variances [8][]float64
	par.For(8, func(k int) {
		wk, h := doubles(space)[k*size:][:size/2], doubles(space)[k*size+size/2:][:size/2]
		clear(wk)
		clear(h)
		mu, v := make([]float64, c), make([]float64, c)
		for l, value := range bias { // none: nil
			mu[l] = float64(value)
		}
		for i := range cx {
			for l, value := range w[(k*cx+i)*c:][:c] {
				wk[i*out+l] = float64(value)
				mu[l] += mean[i] * float64(value)
			}
		}
		for i := 0; i < in; i += 4 {
			b.gram(&gramArgs{c: h[i*out:], x: cov[i:], y: wk, rows: cx, n: out, cStep: out, xStep: in, yStep: out})
		}
		for i := range cx {
			for l := range v {
				v[l] += wk[i*out+l] * h[i*out+l]
			}
		}
		means[k], variances[k] = mu, v
	})
	n := float64(s.Out().Rows())
	shift, moments = make([]float32, c), make([]float64, 2*c)
	for l := range shift {
		for k := range 8 {
			shift[l] += float32(means[k][l] / 8)
		}
		for k := range 8 {
			d := means[k][l] - float64(shift[l])
			moments[l] += n / 8 * d
			moments[c+l] += n / 8 * (variances[k][l] + d*d)
		}
	}
	return shift, moments
}

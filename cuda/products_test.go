package cuda

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/internal/rng"
)

// positionsOf3 are a position's along three axes of n, the last one the fastest.
func positionsOf3(at, n int) [3]int { return [3]int{at / n / n, at / n % n, at % n} }

// meeting is the position of the composite window that k and t meet at.
func meeting(k, t int) int {
	a, b := positionsOf3(k, 2), positionsOf3(t, 3)
	return ((a[0]-b[0]+2)*4+a[1]-b[1]+2)*4 + a[2] - b[2] + 2
}

// pairsOf are the blocks of A and B whose products make block z.
func pairsOf(which, z int) (pairs [][2]int) {
	for k := range 8 {
		for t := range taps3 {
			q := meeting(k, t)
			switch {
			case which == compositeProduct && q == z:
				pairs = append(pairs, [2]int{k, t})
			case which == tapsProduct && t == z:
				pairs = append(pairs, [2]int{k, q})
			case which == upsProduct && k == z:
				pairs = append(pairs, [2]int{q, t})
			}
		}
		if which == squareProduct {
			pairs = append(pairs, [2]int{k, k})
		}
	}
	if which == secondProduct {
		pairs = append(pairs, [2]int{0, z})
	}
	return pairs
}

// Every product of weights with weights against its sum in float64, of operands as they are rounded: tails of tiles and of stages, several of both, blocks of B that are parts of
// wider ones, factors of the terms and of the columns, whole sums and shares.
func TestWeightProducts(t *testing.T) {
	kernels := []string{compositeProduct: "nn", tapsProduct: "tn", upsProduct: "nt", squareProduct: "nt", secondProduct: "nn"}
	blocksOf := []int{compositeProduct: 64, tapsProduct: taps3, upsProduct: 8, squareProduct: 1, secondProduct: 8}
	for _, precision := range []Precision{FP32, TF32, BF16} {
		d, b := onEmulator(t, []emu.Option{emu.BlockRaces(), emu.ComputeCapability(80)}, WithoutPool(), WithPrecision(precision))
		for i, g := range [][3]int{{52, 20, 36}, {8, 100, 40}, {7, 5, 9}, {4, 4, 4}} {
			for which, kernel := range kernels {
				m, n, k, beside := g[0], g[1], g[2], 4
				b.opt.spread = []int{1, 600}[i%2]
				draw := rng.New(7, t.Name(), which)
				numbers := func(n int) (device.Tensor, []float32) {
					v := make([]float32, n)
					for i := range v {
						v[i] = float32(draw.Normal())
					}
					x := b.Alloc(device.Vec(n))
					b.Upload(x, v)
					return x, v
				}
				p := matrices{kernel: kernel, which: which, blocks: blocksOf[which], m: m, n: n, k: k, lda: k, ldb: n, aStep: m * k, bStep: (k + beside) * n}
				ofA, ofB := func(i, l int) int { return i*k + l }, func(l, o int) int { return l*n + o }
				if kernel == "tn" {
					p.lda, ofA = m, func(i, l int) int { return l*m + i }
				}
				if kernel == "nt" {
					p.ldb, p.bStep, ofB = k, (n+beside)*k, func(l, o int) int { return o*k + l }
				}
				if which == secondProduct {
					p.aStep = 0
				}
				if which != compositeProduct && which != secondProduct {
					p.terms = len(pairsOf(which, 0))
				}
				a, av := numbers(64 * m * k)
				bt, bv := numbers(64 * max((k+beside)*n, (n+beside)*k))
				gamma, gv := numbers(max(n, k))
				invstd, iv := numbers(max(n, k))
				p.a, p.b, p.columns = ptr(a), ptr(bt), which == upsProduct
				if p.gamma = ptr(gamma); which != squareProduct {
					p.invstd = ptr(invstd)
				}
				factor := func(i int) float32 {
					if which == squareProduct {
						return gv[i]
					}
					return gv[i] * iv[i]
				}
				rounded := func(v float32) float64 {
					if precision != FP32 && (m|n|k)%4 == 0 {
						v = toTF32(v)
					}
					return float64(v)
				}
				c := b.Alloc(device.Vec(max(1, p.terms) * p.blocks * m * n)) // for as many shares
				b.Fill(c, float32(math.NaN()))
				p.c = ptr(c)
				o := b.begin("Test")
				parts := o.weightProduct(p)
				o.end()
				require.Equal(t, p.c, parts.at)
				got := make([]float32, c.Len())
				b.Download(got, c)
				require.NoError(t, b.Sync())
				name := fmt.Sprintf("%v, %s, product %d of %v, %d shares", precision, kernel, which, g, parts.n)
				if p.terms == 0 || i%2 == 1 {
					require.Equal(t, p.terms > 0, parts.n > 1, name)
				}
				for z := range p.blocks {
					pairs := pairsOf(which, z)
					for e := range m * n {
						want, size := 0.0, 0.0
						for _, pair := range pairs {
							for l := range k {
								y := bv[pair[1]*p.bStep+ofB(l, e%n)]
								if !p.columns {
									y *= factor(l)
								}
								x := rounded(av[pair[0]*p.aStep+ofA(e/n, l)]) * rounded(y)
								want, size = want+x, size+math.Abs(x)
							}
						}
						if p.columns {
							want, size = want*float64(factor(e%n)), size*math.Abs(float64(factor(e%n)))
						}
						sum := 0.0
						for s := range parts.n {
							sum += float64(got[(s*p.blocks+z)*m*n+e])
						}
						require.InDelta(t, want, sum, 1e-5*size+1e-6, "%s, block %d, element %d", name, z, e)
					}
				}
				for _, x := range []device.Tensor{a, bt, gamma, invstd, c} {
					b.Free(x)
				}
			}
		}
		for _, kernel := range []string{"nn", "tn", "nt"} {
			require.NotZero(t, d.Stats()["products_"+kernel].Launches)
			require.Equal(t, precision != FP32, d.Stats()["products_tf32_"+kernel].Launches > 0)
		}
		require.NoError(t, b.Close())
	}
}

package augment

import (
	"math"
	"math/cmplx"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/ref"
	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// kspace is a spectrum in the order of numpy's fftshift, computed the plain way.
type kspace struct {
	size [3]int
	s    []complex128 // axis 2 fastest
}

// transform3 multiplies along each axis by exp(sign·2πi·(k−⌊N/2⌋)·t/N), k in the output if forward, in
// the input otherwise.
func transform3(x []complex128, size [3]int, forward bool) []complex128 {
	stride := [3]int{size[1] * size[2], size[2], 1}
	for a, n := range size {
		y := make([]complex128, len(x))
		for at := range x {
			p := at / stride[a] % n
			first := at - p*stride[a]
			for q := range n {
				angle := 2 * math.Pi * float64((q-n/2)*p) / float64(n)
				if forward {
					angle = -2 * math.Pi * float64((p-n/2)*q) / float64(n)
				}
				y[at] += x[first+q*stride[a]] * cmplx.Exp(complex(0, angle))
			}
		}
		x = y
	}
	return x
}

func newKSpace(v *volume.Volume) kspace {
	x := make([]complex128, len(v.Data))
	each(v.Size, func(file, tensor int) { x[tensor] = complex(float64(v.Data[file]), 0) })
	return kspace{v.Size, transform3(x, v.Size, true)}
}

// image is the real part of the inverse.
func (k kspace) image() *volume.Volume {
	x := transform3(k.s, k.size, false)
	v := volume.New(volume.Grid{Size: k.size, Affine: volume.Identity})
	each(k.size, func(file, tensor int) { v.Data[file] = float32(real(x[tensor]) / float64(len(x))) })
	return v
}

// planes calls f for each element with its plane along an axis.
func (k kspace) planes(axis int, f func(plane int, at int)) {
	stride := [3]int{k.size[1] * k.size[2], k.size[2], 1}[axis]
	for at := range k.s {
		f(at/stride%k.size[axis], at)
	}
}

// Ghosting in 3D k-space, as TorchIO writes it.
func (k kspace) ghost(g Ghosting) {
	n := k.size[g.Axis]
	lo, hi := n/2, n/2+1
	if g.Restore != nil {
		h := int(math.RoundToEven(*g.Restore * float64(n)))
		lo, hi = n/2-h/2, n/2+h/2
	}
	k.planes(g.Axis, func(p, at int) {
		if p%g.Num == 0 && (p < lo || p >= hi) {
			k.s[at] *= complex(1-g.Intensity, 0)
		}
	})
}

func (k kspace) largest() (m complex128) {
	m = complex(math.Inf(-1), 0)
	for _, z := range k.s {
		if d := real(z) - real(m); d > 1e-9 || math.Abs(d) <= 1e-9 && imag(z) > imag(m) {
			m = z
		}
	}
	return m
}

func (k kspace) spike(s Spike) {
	m := k.largest()
	for i, p := range s.Positions {
		if i > 0 && !s.FixedMax {
			m = k.largest()
		}
		q := p.Bin(k.size)
		k.s[(q[0]*k.size[1]+q[1])*k.size[2]+q[2]] += complex(s.Intensity, 0) * m
	}
}

// motion puts the spectra of moved images together.
func motionInKSpace(t *testing.T, m Motion, v *volume.Volume) *volume.Volume {
	spectra := []kspace{newKSpace(v)}
	for i := range m.Times {
		spectra = append(spectra, newKSpace(moved(v, m.points(i, v.Size))))
	}
	n := v.Size[m.SegmentAxis]
	order := make([]int, len(spectra))
	for j := range order {
		order[j] = j
	}
	begin := func(j int) int { // of segment j
		if j == 0 {
			return 0
		}
		return int(float64(n) * m.Times[j-1])
	}
	if m.Safe {
		home := 0
		for j := range order {
			if begin(j) <= n/2 {
				home = j
			}
		}
		order = append(order[1:home+1], append([]int{0}, order[home+1:]...)...)
	} else {
		swap := len(m.Times)
		for j := len(m.Times) - 1; j >= 0; j-- {
			if m.Times[j] > 0.5 {
				swap = j
			}
		}
		order[0], order[swap] = order[swap], order[0]
	}
	require.Len(t, order, len(spectra))
	out := kspace{v.Size, make([]complex128, len(v.Data))}
	out.planes(m.SegmentAxis, func(p, at int) {
		j := len(m.Times)
		for begin(j) > p {
			j--
		}
		out.s[at] = spectra[order[j]].s[at]
	})
	return out.image()
}

// moved resamples linearly, the minimum outside.
func moved(v *volume.Volume, to [3][4]float64) *volume.Volume {
	least := v.Data[0]
	for _, x := range v.Data {
		least = min(least, x)
	}
	out := v.Like()
	n := v.Size
	for k := range n[2] {
		for j := range n[1] {
			for i := range n[0] {
				c := volume.Affine(to).Apply([3]float64{float64(i), float64(j), float64(k)})
				out.Data[v.Index(i, j, k)] = least
				inside := true
				var at [3]int
				var f [3]float64
				for a := range 3 {
					inside = inside && c[a] >= -0.5 && c[a] < float64(n[a])-0.5
					x := min(max(c[a], 0), float64(n[a]-1))
					at[a] = int(x)
					f[a] = x - float64(at[a])
				}
				if !inside {
					continue
				}
				sum := 0.0
				for corner := range 8 {
					w := 1.0
					var e [3]int
					for a := range 3 {
						if corner>>a&1 == 1 {
							w *= f[a]
							e[a] = min(at[a]+1, n[a]-1)
						} else {
							w *= 1 - f[a]
							e[a] = at[a]
						}
					}
					sum += w * float64(v.At(e[0], e[1], e[2]))
				}
				out.Data[v.Index(i, j, k)] = float32(sum)
			}
		}
	}
	return out
}

// The transforms of the spectrum equal what they stand for: a Fourier transform in 3D, changed, and
// transformed back. Sizes are odd and even, images have negative values, spikes are many.
func TestSpectralTransformsAgainstFourier(t *testing.T) {
	s := rng.New(11)
	restore := []float64{0, 0.02, 0.1, 0.3, 0.5, 1}
	for n := range 24 {
		size := [3]int{4 + s.Intn(6), 4 + s.Intn(6), 4 + s.Intn(6)}
		v := random(uint64(n), size, -0.2, 1)
		if n%3 == 0 {
			v = random(uint64(n), size, -1, 1) // the largest element is not that of zero frequency
		}
		check := func(one Transform, want *volume.Volume) {
			t.Helper()
			require.Less(t, distance(t, want, apply(t, ref.New[float64](), Recipe{one}, v)), 5e-6, "%v %+v", size, one)
		}
		g := Ghosting{Num: 1 + s.Intn(5), Axis: s.Intn(3), Intensity: s.Float64()}
		if r := s.Intn(2 * len(restore)); r < len(restore) {
			g.Restore = &restore[r]
		}
		k := newKSpace(v)
		k.ghost(g)
		check(g, k.image())

		sp := SpikeDraw{NumMin: 1, NumMax: 3, IntensityMin: -1, IntensityMax: 2, Maximum: [2]string{"once", "each"}[n%2]}.draw(s, size).(Spike)
		k = newKSpace(v)
		k.spike(sp)
		check(sp, k.image())

		d := MotionDraw{Degrees: 8, Millimetres: 2, MovementsMin: 1, MovementsMax: 5, Rule: [2]string{"safe", "torchio"}[n%2], Centre: [2]string{"image", "corner"}[n/2%2]}
		m := d.draw(s, size, [3]float64{1, 0.8, 1.5}).(Motion)
		m.SegmentAxis = s.Intn(3)
		check(m, motionInKSpace(t, m, v))
	}
}

// The planes that are put back, written out.
func TestGhostingPlanes(t *testing.T) {
	restore := func(r float64) *float64 { return &r }
	for _, c := range []struct {
		restore *float64
		n       int
		want    []float64 // of num 2, intensity 1
	}{
		{nil, 6, []float64{0, 1, 0, 1, 0, 1}},
		{nil, 5, []float64{0, 1, 1, 1, 0}},                      // the middle plane is put back
		{restore(0.5), 9, []float64{0, 1, 1, 1, 1, 1, 0, 1, 0}}, // 4.5 rounds to 4: planes 2 to 5
		{restore(0.4), 8, []float64{0, 1, 0, 1, 1, 1, 0, 1}},    // 3.2 is 3: planes 3 and 4
		{restore(0.1), 8, []float64{0, 1, 0, 1, 0, 1, 0, 1}},    // 1: none, not even the middle
		{restore(1), 4, []float64{1, 1, 1, 1}},
	} {
		require.Equal(t, c.want, Ghosting{Num: 2, Intensity: 1, Restore: c.restore}.weights(c.n), "%v %d", c.restore, c.n)
	}
}

// The segment with the zero frequency stays unmoved under the safe rule, always.
func TestSafeMotionKeepsTheMean(t *testing.T) {
	s := rng.New(12)
	unsafe := 0
	for range 300 {
		size := [3]int{5, 5, 6 + s.Intn(60)}
		d := MotionDraw{Degrees: 5, Millimetres: 4, MovementsMin: 1, MovementsMax: 5, Rule: "safe", Centre: "image"}
		m := d.draw(s, size, [3]float64{1, 1, 1}).(Motion)
		for _, safe := range []bool{true, false} {
			m.Safe = safe
			cuts := m.cuts(size[2])
			for j, movement := range m.order(cuts) {
				if cuts[j] <= size[2]/2 && size[2]/2 < cuts[j+1] && movement != 0 {
					require.False(t, safe)
					unsafe++
				}
			}
		}
	}
	require.NotZero(t, unsafe, "TorchIO's rule moves the zero frequency in some draws")
}

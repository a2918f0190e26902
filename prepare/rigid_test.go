package prepare

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// drawn is a random rigid transform of up to deg degrees and mm.
func drawn(r *rng.Stream, deg, mm float64) volume.Transform {
	var v [3]float64
	n := 0.0
	for d := range v {
		v[d] = r.Normal()
		n += v[d] * v[d]
	}
	a := deg * math.Pi / 180 * r.Float64()
	for d := range v {
		v[d] *= math.Sin(a/2) / math.Sqrt(n)
	}
	t := rotation(math.Cos(a/2), v)
	for d := range 3 {
		t[d][3] = mm * (2*r.Float64() - 1)
	}
	return t
}

func requireNear(t *testing.T, want, got volume.Transform, tolerance float64) {
	t.Helper()
	for r := range 3 {
		for c := range 4 {
			require.InDelta(t, want[r][c], got[r][c], tolerance, "row %d column %d of %v, want %v", r, c, got, want)
		}
	}
}

func TestHalfTwiceIsTheWhole(t *testing.T) {
	r := rng.New(1)
	for range 200 {
		m := drawn(r, 170, 200)
		h := half(m)
		requireNear(t, m, h.Mul(h), 1e-10)
		require.InDelta(t, degrees(m)/2, degrees(h), 1e-6, "a root that turns the other way round is none of ours")
		requireNear(t, h.Inverse(), half(m.Inverse()), 1e-10)
	}
	requireNear(t, volume.Identity, half(volume.Identity), 0)
	shift := translation([3]float64{40, -3, 8})
	requireNear(t, translation([3]float64{20, -1.5, 4}), half(shift), 1e-12)
}

func TestMotion(t *testing.T) {
	r := rng.New(2)
	for range 50 {
		m := motion{centre: [3]float64{r.Normal() * 50, r.Normal() * 50, r.Normal() * 50}}
		x, y, z := r.Normal(), r.Normal(), r.Normal()
		m.turn = [3][3]float64{{0, -z, y}, {z, 0, -x}, {-y, x, 0}}
		for d := range 3 {
			m.shift[d] = 10 * r.Normal()
		}
		e := m.exp(1)
		requireNear(t, e, orthogonal(e), 1e-9)
		angle := math.Mod(math.Sqrt(x*x+y*y+z*z), 2*math.Pi)
		require.InDelta(t, min(angle, 2*math.Pi-angle)*180/math.Pi, degrees(e), 1e-6)
		requireNear(t, e, m.exp(0.5).Mul(m.exp(0.5)), 1e-9)
		requireNear(t, volume.Identity, m.exp(1).Mul(m.exp(-1)), 1e-9)
		// A small motion is its generator.
		p := [3]float64{3, -60, 20}
		q := m.exp(1e-7).Apply(p)
		for d := range 3 {
			u := m.shift[d]
			for c := range 3 {
				u += m.turn[d][c] * (p[c] - m.centre[c])
			}
			require.InDelta(t, u, (q[d]-p[d])/1e-7, 1e-3)
		}
	}
}

func TestQuaternionsOfLargeTurns(t *testing.T) {
	for _, v := range [][4]float64{{0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}, {0.01, 0.7, -0.7, 0.1}, {1e-9, -0.2, 0.3, -0.9}} {
		m := rotation(v[0], [3]float64{v[1], v[2], v[3]})
		w, u := quaternion(m)
		requireNear(t, m, rotation(w, u), 1e-12)
		require.GreaterOrEqual(t, w, 0.0)
	}
}

package synth

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// corner is a shape whose 48 orientations all differ.
func corner() (mask []bool, size [3]int) {
	size = [3]int{3, 4, 5}
	mask = make([]bool, 60)
	for _, at := range [][3]int{{1, 1, 1}, {1, 1, 2}, {1, 1, 3}, {1, 2, 1}, {1, 2, 2}, {2, 1, 1}} {
		mask[index(at, size)] = true
	}
	return mask, size
}

func TestLibraryCropsAndLimits(t *testing.T) {
	o := Defaults()
	lib := NewLibrary(o)
	mask, size := corner()
	n, err := lib.Add("a", mask, size)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	s, ok := lib.Draw(rng.New(1), "", false)
	require.True(t, ok)
	require.Equal(t, [3]int{2, 2, 3}, s.Size)
	require.Equal(t, [][3]int{{0, 0, 0}, {0, 0, 1}, {0, 0, 2}, {0, 1, 0}, {0, 1, 1}, {1, 0, 0}}, s.Voxels)

	o.ShapeMin = 7
	lib = NewLibrary(o)
	n, err = lib.Add("a", mask, size)
	require.NoError(t, err)
	require.Zero(t, n)
	o.ShapeMin, o.ShapeMax = 1, 5
	lib = NewLibrary(o)
	n, err = lib.Add("a", mask, size)
	require.NoError(t, err)
	require.Zero(t, n+lib.Len()+lib.Cases())
	_, ok = lib.Draw(rng.New(1), "", false)
	require.False(t, ok)
	_, err = lib.Add("a", mask[1:], size)
	require.ErrorContains(t, err, "59 values")
}

// Voxels that share only a corner are one lesion, others are not.
func TestLibraryNeighbourhood(t *testing.T) {
	o := Defaults()
	o.ShapeMin = 1
	lib := NewLibrary(o)
	p := box(9).mark([3]int{1, 1, 1}).mark([3]int{2, 2, 2}).mark([3]int{2, 4, 2})
	n, err := lib.Add("a", p.Lesions, p.Size)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestLibraryDraw(t *testing.T) {
	o := Defaults()
	o.ShapeMin = 1
	lib := NewLibrary(o)
	for n, id := range []string{"a", "b", "a", "c"} {
		p := box(9)
		for k := range n + 1 { // a line of n+1 voxels
			p.mark([3]int{1, 1, 1 + k})
		}
		_, err := lib.Add(id, p.Lesions, p.Size)
		require.NoError(t, err)
	}
	require.Equal(t, 4, lib.Len())
	require.Equal(t, 3, lib.Cases())
	const n = 2000
	sizes := map[int]int{}
	for i := range n {
		s, ok := lib.Draw(rng.New(1, i), "a", true)
		require.True(t, ok)
		require.NotEqual(t, "a", s.Case)
		sizes[len(s.Voxels)]++
	}
	require.Len(t, sizes, 2)
	near(t, 0.5, sizes[2], n, "shape of b")
}

func TestShapeOrientations(t *testing.T) {
	lib := NewLibrary(Defaults())
	mask, size := corner()
	_, err := lib.Add("a", mask, size)
	require.NoError(t, err)
	seen := map[string]int{}
	const n = 9600
	for i := range n {
		s, _ := lib.Draw(rng.New(1, i), "", true)
		full := make([]int, s.Size[0]*s.Size[1]*s.Size[2])
		for _, v := range s.Voxels {
			require.True(t, inside(v, s.Size))
			full[index(v, s.Size)]++
		}
		total := 0
		for _, k := range full {
			total += k
		}
		require.Equal(t, 6, total)
		seen[fmt.Sprint(s.Size, full)]++
	}
	require.Len(t, seen, 48)
	for _, k := range seen {
		require.InDelta(t, n/48, k, 5*math.Sqrt(n/48))
	}
}

// By volume, a shape is drawn as often as its voxels are of all.
func TestShapesDrawnByVolume(t *testing.T) {
	lib := NewLibrary(Options{ShapeMin: 1, ShapeMax: 100})
	mask := make([]bool, 16*16*16)
	for i := range mask {
		p := unindex(i, [3]int{16, 16, 16})
		mask[i] = p == [3]int{1, 1, 1} || p[0] >= 8 && p[0] < 11 && p[1] >= 8 && p[1] < 11 && p[2] >= 8 && p[2] < 9
	}
	n, err := lib.Add("a", mask, [3]int{16, 16, 16})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	s := rng.New(3)
	large := 0
	for range 1000 {
		shape, ok := lib.draw(s, "", true, Shape.volume)
		require.True(t, ok)
		if shape.volume() == 9 {
			large++
		}
	}
	require.InDelta(t, 900, large, 40)
}

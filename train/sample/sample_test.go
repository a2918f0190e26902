package sample

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// item is a case whose voxel (i, j, k) has the value 1 + i + 100·j + 10000·k, all brain,
// with one-voxel lesions at the given places.
func item(id string, size [3]int, lesions ...[3]int) *dataset.Item {
	v := volume.New(volume.Grid{Size: size, Affine: volume.Identity})
	labels := make([]uint8, len(v.Data))
	for k := range size[2] {
		for j := range size[1] {
			for i := range size[0] {
				v.Data[v.Index(i, j, k)] = float32(1 + i + 100*j + 10000*k)
				labels[v.Index(i, j, k)] = dataset.Brain
			}
		}
	}
	for _, l := range lesions {
		labels[v.Index(l[0], l[1], l[2])] |= dataset.Lesion
	}
	return dataset.NewItem(dataset.Case{ID: id}, []*volume.Volume{v, v}, labels)
}

// cases is a Cases in memory.
type cases []*dataset.Item

func (c cases) Len() int                          { return len(c) }
func (c cases) HasLesions(i int) (bool, error)    { return c[i].Lesions() > 0, nil }
func (c cases) Load(i int) (*dataset.Item, error) { return c[i], nil }

func options(patch, jitter int) Options {
	o := Defaults()
	o.Patch, o.Jitter = [3]int{patch, patch, patch}, jitter
	return o
}

func TestCutIsTheVoxelsInNetworkOrder(t *testing.T) {
	it := item("a", [3]int{9, 11, 13}, [3]int{4, 5, 6})
	for _, start := range [][3]int{{0, 0, 0}, {1, 2, 3}, {-3, 5, -1}, {4, -8, 9}, {-20, 0, 0}} {
		p := Cut(it, start, [3]int{8, 5, 7})
		for d := range 8 {
			for h := range 5 {
				for w := range 7 {
					x, y, z := start[0]+d, start[1]+h, start[2]+w
					want, label := float32(0), uint8(0)
					if x >= 0 && y >= 0 && z >= 0 && x < 9 && y < 11 && z < 13 {
						want, label = float32(1+x+100*y+10000*z), dataset.Brain
						if x == 4 && y == 5 && z == 6 {
							label |= dataset.Lesion
						}
					}
					n := (d*5+h)*7 + w
					require.Equal(t, want, p.Images[1][n])
					require.Equal(t, label, p.Labels[n])
				}
			}
		}
	}
}

func TestPlaceStaysInside(t *testing.T) {
	require.Equal(t, [3]int{0, 12, 24}, Place([3]int{40, 40, 40}, [3]int{3, 20, 39}, [3]int{16, 16, 16}))
	require.Equal(t, [3]int{-3, 0, -4}, Place([3]int{10, 16, 8}, [3]int{5, 3, 1}, [3]int{16, 16, 16}))
}

// Shares, jitter and places over many draws.
func TestSamplerStatistics(t *testing.T) {
	lesion := [3]int{20, 24, 28}
	c := cases{item("none", [3]int{40, 40, 40}), item("one", [3]int{48, 48, 56}, lesion), item("none2", [3]int{40, 40, 40})}
	o := options(16, 5)
	s, err := NewSampler(c, Mixed, o, 3, "sample")
	require.NoError(t, err)
	require.Equal(t, 1, s.LesionCases())
	const n = 4000
	count := map[string]int{}
	var lo, hi [3]int
	inside := 0
	for i := range n {
		p, err := s.Draw(i)
		require.NoError(t, err)
		count[p.Case]++
		if p.Case != "one" || !slices.ContainsFunc(p.Labels, func(l uint8) bool { return l&dataset.Lesion != 0 }) {
			continue
		}
		inside++
		for a := range 3 {
			off := p.Start[a] + 8 - lesion[a]
			lo[a], hi[a] = min(lo[a], off), max(hi[a], off)
		}
	}
	sd := func(p float64) float64 { return 4 * math.Sqrt(p*(1-p)*n) }
	require.InDelta(t, n*(0.75+0.25/3), float64(count["one"]), sd(0.83))
	require.InDelta(t, n*0.25/3, float64(count["none"]), sd(0.083))
	require.GreaterOrEqual(t, float64(inside), 0.75*n-sd(0.75))
	for a := range 3 { // patches drawn from the brain may hold the lesion too, farther off its centre
		require.LessOrEqual(t, lo[a], -5)
		require.GreaterOrEqual(t, hi[a], 5)
	}

	o.LesionProb = 1
	s, err = NewSampler(c, Mixed, o, 3, "sample")
	require.NoError(t, err)
	offsets := map[int]int{}
	for i := range 1000 {
		p, err := s.Draw(i)
		require.NoError(t, err)
		for a := range 3 {
			off := p.Start[a] + 8 - lesion[a]
			require.LessOrEqual(t, max(off, -off), 5)
			offsets[off]++
		}
	}
	require.Len(t, offsets, 11)
	for _, k := range offsets {
		require.InDelta(t, 3000.0/11, float64(k), 4*math.Sqrt(3000.0/11))
	}
}

func TestDrawIsAFunctionOfSeedNameAndNumber(t *testing.T) {
	c := cases{item("a", [3]int{24, 24, 24}, [3]int{3, 4, 5}, [3]int{20, 20, 20}), item("b", [3]int{20, 30, 8}, [3]int{8, 8, 2})}
	draw := func(seed uint64, name string, i int) *Sample {
		s, err := NewSampler(c, Mixed, options(16, 4), seed, name, turn)
		require.NoError(t, err)
		p, err := s.Draw(i)
		require.NoError(t, err)
		return p
	}
	differ := func(a, b *Sample) bool { return !slices.Equal(a.Images[0], b.Images[0]) }
	require.Equal(t, draw(1, "x", 7), draw(1, "x", 7))
	require.True(t, differ(draw(1, "x", 7), draw(1, "x", 8)))
	require.True(t, differ(draw(1, "x", 7), draw(2, "x", 7)))
	require.True(t, differ(draw(1, "x", 7), draw(1, "y", 7)))
}

func TestLesionPointVoxel(t *testing.T) {
	// A lesion of three voxels in a row: its centre is the middle one.
	c := cases{item("a", [3]int{40, 40, 40}, [3]int{19, 20, 20}, [3]int{20, 20, 20}, [3]int{21, 20, 20})}
	for point, want := range map[string]int{"centre": 1, "voxel": 3} {
		o := options(16, 0)
		o.LesionPoint, o.LesionProb = point, 1
		s, err := NewSampler(c, Mixed, o, 1, "x")
		require.NoError(t, err)
		seen := map[[3]int]bool{}
		for i := range 60 {
			p, err := s.Draw(i)
			require.NoError(t, err)
			seen[p.Start] = true
		}
		require.Len(t, seen, want, point)
	}
}

// turn is a hook that mirrors and swaps axes.
func turn(p *Sample, s *rng.Stream) error {
	Orient(p, [3]int{1, 2, 0}, [3]bool{s.Bool(0.5), s.Bool(0.5), s.Bool(0.5)})
	return nil
}

// Orient against its definition, on an uneven patch; labels go with the images.
func TestOrient(t *testing.T) {
	size := [3]int{3, 4, 5}
	for _, perm := range [][3]int{{0, 2, 1}, {1, 2, 0}, {2, 0, 1}} {
		p := &Sample{Size: size, Images: [][]float32{make([]float32, 60), make([]float32, 60)}, Labels: make([]uint8, 60)}
		for i := range 60 {
			p.Images[0][i], p.Images[1][i], p.Labels[i] = float32(i), float32(i), uint8(i)
		}
		flip := [3]bool{true, false, true}
		Orient(p, perm, flip)
		new := [3]int{size[perm[0]], size[perm[1]], size[perm[2]]}
		require.Equal(t, new, p.Size)
		for i := range 60 {
			at := [3]int{i / new[2] / new[1], i / new[2] % new[1], i % new[2]}
			var j [3]int
			for a := range 3 {
				j[perm[a]] = at[a]
				if flip[a] {
					j[perm[a]] = new[a] - 1 - at[a]
				}
			}
			want := (j[0]*size[1]+j[1])*size[2] + j[2]
			require.EqualValues(t, want, p.Labels[i])
			require.EqualValues(t, want, p.Images[0][i])
			require.EqualValues(t, want, p.Images[1][i])
		}
	}
}

// slowSource is a Source with a failure.
type slowSource struct{ fail int }

var errDraw = errors.New("no such image")

func (s slowSource) Draw(i int) (*Sample, error) {
	if i == s.fail {
		return nil, errDraw
	}
	return &Sample{Index: i}, nil
}

func TestPrefetchKeepsTheOrder(t *testing.T) {
	for _, ahead := range []int{0, 1, 4} {
		p := Prefetch(slowSource{fail: 26}, 8, 3, ahead)
		for n := 8; n < 26; n += 3 {
			b, err := p.Next(context.Background())
			require.NoError(t, err)
			require.Equal(t, n, b.First)
			for i, s := range b.Samples {
				require.Equal(t, n+i, s.Index)
			}
		}
		_, err := p.Next(context.Background())
		require.ErrorIs(t, err, errDraw)
		require.ErrorContains(t, err, "sample 26")
		p.Close()
	}
	p := Prefetch(slowSource{fail: -1}, 0, 1, 1)
	defer p.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 50 { // however many batches are ready
		_, err := p.Next(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestOptionsCheck(t *testing.T) {
	require.NoError(t, Defaults().Check())
	_, err := NewSampler(cases{}, Mixed, Defaults(), 1, "x")
	require.ErrorContains(t, err, "no cases")
	_, err = NewSampler(cases{}, Mixed, options(12, 1), 1, "x")
	require.ErrorContains(t, err, "multiple of 8")
	for _, jitter := range []int{-1, 8, math.MaxInt/2 + 1, math.MaxInt} { // the last two overflow when doubled
		require.ErrorContains(t, options(16, jitter).Check(), "less than half of the smallest edge")
	}
	require.NoError(t, options(16, 7).Check())
}

func BenchmarkDraw(b *testing.B) {
	c := cases{item("a", [3]int{150, 170, 140}, [3]int{70, 80, 60})}
	s, err := NewSampler(c, Mixed, Defaults(), 1, "x", turn)
	require.NoError(b, err)
	b.Run("patch=64/images=2", func(b *testing.B) {
		for i := range b.N {
			if _, err := s.Draw(i); err != nil {
				b.Fatal(err)
			}
		}
	})
}

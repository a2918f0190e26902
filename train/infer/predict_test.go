package infer

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// network is a tiny network with random weights; its last layer is scaled so that
// probabilities spread over both sides of ½.
func network(t testing.TB, dev device.Backend, kind string, seed uint64) *models.Net {
	c := models.Default(kind)
	c.Width = 2
	net, err := models.New(dev, c, seed)
	require.NoError(t, err)
	for _, p := range net.Params() {
		if p.Name == "conv_out.weight" {
			w := make([]float32, p.Len())
			dev.Download(w, p.Tensor)
			for i := range w {
				w[i] *= 6
			}
			dev.Upload(p.Tensor, w)
		}
	}
	return net
}

// noise is an image on a grid of 1 mm, with values in every voxel.
func noise(seed uint64, size [3]int) *volume.Volume {
	v := volume.New(volume.Grid{Size: size, Affine: volume.Affine{{1, 0, 0, -5}, {0, 1, 0, 7}, {0, 0, 1, 3}}})
	r := rng.New(seed, "image")
	for i := range v.Data {
		v.Data[i] = float32(0.2 + r.Float64())
	}
	return v
}

// ball is a mask, 1 within the radius of a centre.
func ball(g volume.Grid, centre [3]float64, radius float64) *volume.Volume {
	m := volume.New(g)
	for k := range g.Size[2] {
		for j := range g.Size[1] {
			for i := range g.Size[0] {
				x, y, z := float64(i)-centre[0], float64(j)-centre[1], float64(k)-centre[2]
				if x*x+y*y+z*z <= radius*radius {
					m.Data[g.Index(i, j, k)] = 1
				}
			}
		}
	}
	return m
}

func small() Options {
	o := Defaults()
	o.Patch, o.Hop = [3]int{16, 16, 16}, [3]int{8, 8, 8}
	o.Normalize = "none"
	return o
}

// slow is the definition, written out: every start one after another, those past
// the end shifted back and counted again, sums of both classes.
func slow(t *testing.T, nets []*models.Net, images []*volume.Volume, opt Options) (p0, p1 []float64) {
	size := images[0].Size
	n := images[0].Len()
	p0, p1 = make([]float64, n), make([]float64, n)
	for _, net := range nets {
		net.SetMode(layers.Eval)
		dev := net.Device()
		for x := 0; x < size[0]; x += opt.Hop[0] {
			for y := 0; y < size[1]; y += opt.Hop[1] {
				for z := 0; z < size[2]; z += opt.Hop[2] {
					at := [3]int{x, y, z}
					for a := range 3 {
						at[a] = max(min(at[a], size[a]-opt.Patch[a]), 0)
					}
					tape := autograd.NewInference(dev)
					var in []*autograd.Var
					var mem []device.Tensor
					for _, im := range images {
						var host []float32
						for d := range opt.Patch[0] {
							for h := range opt.Patch[1] {
								for w := range opt.Patch[2] {
									v := float32(0)
									if at[0]+d < size[0] && at[1]+h < size[1] && at[2]+w < size[2] {
										v = im.At(at[0]+d, at[1]+h, at[2]+w)
									}
									host = append(host, v)
								}
							}
						}
						m := dev.Alloc(device.Shape{N: 1, D: opt.Patch[0], H: opt.Patch[1], W: opt.Patch[2], C: 1})
						dev.Upload(m, host)
						mem, in = append(mem, m), append(in, autograd.Input(m))
					}
					p := tape.Value(tape.Softmax(net.Forward(tape, in...)))
					tape.Close()
					for _, m := range mem {
						dev.Free(m)
					}
					for d := range opt.Patch[0] {
						for h := range opt.Patch[1] {
							for w := range opt.Patch[2] {
								if at[0]+d < size[0] && at[1]+h < size[1] && at[2]+w < size[2] {
									v := images[0].Index(at[0]+d, at[1]+h, at[2]+w)
									q := 2 * ((d*opt.Patch[1]+h)*opt.Patch[2] + w)
									p0[v] += float64(p[q])
									p1[v] += float64(p[q+1])
								}
							}
						}
					}
				}
			}
		}
	}
	return p0, p1
}

func TestPredictIsItsDefinition(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	for _, c := range []struct {
		kind  string
		size  [3]int
		seeds []uint64
	}{
		{"segmenter", [3]int{27, 33, 24}, []uint64{1}},
		{"detector", [3]int{40, 18, 21}, []uint64{2, 3}},
		{"segmenter", [3]int{16, 13, 30}, []uint64{4}}, // shorter than a window
	} {
		var nets []*models.Net
		var members []Member
		for _, s := range c.seeds {
			nets = append(nets, network(t, dev, c.kind, s))
			members = append(members, Keep(nets[len(nets)-1]))
		}
		var images []*volume.Volume
		for i := range nets[0].Times() {
			images = append(images, noise(uint64(i), c.size))
		}
		brain := ball(images[0].Grid, [3]float64{10, 9, 12}, 8)
		before := nets[0].Metadata()["model"]
		require.Equal(t, c.kind, before)
		r, err := Predict(context.Background(), members, images, brain, small())
		require.NoError(t, err)

		masked := make([]*volume.Volume, len(images))
		for i, im := range images {
			masked[i] = im.Like()
			masked[i].Grid = im.Grid
			for v := range im.Data {
				masked[i].Data[v] = im.Data[v] * brain.Data[v]
			}
		}
		p0, p1 := slow(t, nets, masked, small())
		ones := 0
		for v := range p0 {
			p := p1[v] / (p0[v] + p1[v]) * float64(brain.Data[v])
			require.InDelta(t, p, float64(r.Prob.Data[v]), 1e-6)
			want := float32(0)
			if p1[v] > p0[v] && brain.Data[v] != 0 {
				want = 1
			}
			if math.Abs(p-0.5) > 1e-6 {
				require.Equal(t, want, r.Mask.Data[v])
			}
			ones += int(r.Mask.Data[v])
		}
		require.Positive(t, ones)
		require.Less(t, ones, 2000)
		for _, net := range nets {
			net.Free()
		}
		now, _ := dev.Usage()
		require.Zero(t, now)
	}
}

// Against loops over every start: each place once, with the number of starts that
// lead there, and every voxel covered.
func TestWindows(t *testing.T) {
	// 96: starts 0, 32, 64 → 0, 32, 32. 81: 0, 32, 64 → 0, 17, 17. 50, padded to 64: 0, 32 → 0, 0.
	require.Equal(t, []Window{
		{[3]int{0, 0, 0}, 2}, {[3]int{32, 0, 0}, 4},
		{[3]int{0, 17, 0}, 4}, {[3]int{32, 17, 0}, 8},
	}, Windows([3]int{96, 81, 50}, [3]int{64, 64, 64}, [3]int{32, 32, 32}))
	r := rng.New(1)
	for range 60 {
		var grid, window, hop [3]int
		for a := range 3 {
			grid[a], window[a] = 1+r.Intn(40), 8*(1+r.Intn(4))
			hop[a] = 2 + r.Intn(window[a]-1)
		}
		want := map[[3]int]int{}
		for z := 0; z < max(grid[2], window[2]); z += hop[2] {
			for y := 0; y < max(grid[1], window[1]); y += hop[1] {
				for x := 0; x < max(grid[0], window[0]); x += hop[0] {
					at := [3]int{x, y, z}
					for a := range 3 {
						if at[a]+window[a] > grid[a] {
							at[a] = max(grid[a]-window[a], 0)
						}
					}
					want[at]++
				}
			}
		}
		got := map[[3]int]int{}
		for _, w := range Windows(grid, window, hop) {
			require.NotContains(t, got, w.Start, "listed once")
			got[w.Start] = w.Weight
		}
		require.Equal(t, want, got)
	}
}

func TestInputInAnotherOrientation(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := network(t, dev, "segmenter", 5)
	v := noise(9, [3]int{20, 24, 18})
	brain := ball(v.Grid, [3]float64{10, 12, 9}, 8)
	want, err := Predict(context.Background(), []Member{Keep(net)}, []*volume.Volume{v}, brain, small())
	require.NoError(t, err)

	// The same image stored with the axes z, x, y growing down, to the left, to the front.
	turn := func(v *volume.Volume) *volume.Volume {
		g := volume.Grid{Size: [3]int{v.Size[2], v.Size[0], v.Size[1]}, Affine: volume.Affine{
			{0, -1, 0, -5 + float64(v.Size[0]-1)}, {0, 0, 1, 7}, {-1, 0, 0, 3 + float64(v.Size[2]-1)}}}
		out := volume.New(g)
		for k := range v.Size[2] {
			for j := range v.Size[1] {
				for i := range v.Size[0] {
					out.Data[g.Index(v.Size[2]-1-k, v.Size[0]-1-i, j)] = v.At(i, j, k)
				}
			}
		}
		return out
	}
	got, err := Predict(context.Background(), []Member{Keep(net)}, []*volume.Volume{turn(v)}, turn(brain), small())
	require.NoError(t, err)
	require.Equal(t, turn(want.Mask).Data, got.Mask.Data)
	require.Equal(t, turn(want.Prob).Data, got.Prob.Data)
	require.Equal(t, turn(v).Grid, got.Mask.Grid)
}

// Thick slices: computed at 1 mm, returned to the slices, thresholded there.
func TestThickSlices(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := network(t, dev, "segmenter", 5)
	v := noise(1, [3]int{30, 26, 9})
	v.Affine = volume.Affine{{0.8, 0.1, 0, 0}, {-0.1, 0.8, 0, 0}, {0, 0, 3, 0}}
	brain := ball(v.Grid, [3]float64{15, 13, 4}, 12)
	opt := small()
	r, err := Predict(context.Background(), []Member{Keep(net)}, []*volume.Volume{v}, brain, opt)
	require.NoError(t, err)
	require.Equal(t, v.Grid, r.Mask.Grid)
	require.Equal(t, v.Grid, r.Prob.Grid)

	p, err := prep.Images([]*volume.Volume{v}, brain, opt.Settings)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{1, 1, 1}, func() []float64 { s := p.Grid().Affine.Spacing(); return s[:] }(), 1e-4)
	iso, err := Canonical(context.Background(), []Member{Keep(net)}, p, opt)
	require.NoError(t, err)
	back := volume.Resample(iso, v.Grid, volume.Linear, 0)
	ones := 0
	for i, x := range back.Data {
		x *= brain.Data[i]
		require.Equal(t, x, r.Prob.Data[i])
		require.Equal(t, x > 0.5, r.Mask.Data[i] == 1)
		ones += int(r.Mask.Data[i])
	}
	require.Positive(t, ones)
}

func TestWindowsWithoutBrainCannotMatter(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := network(t, dev, "segmenter", 5)
	v := noise(2, [3]int{40, 40, 24})
	brain := ball(v.Grid, [3]float64{6, 7, 8}, 5)
	opt := small()
	var total int
	opt.Progress = func(done, all int) { total = all }
	r, err := Predict(context.Background(), []Member{Keep(net)}, []*volume.Volume{v}, brain, opt)
	require.NoError(t, err)
	require.Less(t, total, len(Windows(v.Size, opt.Patch, opt.Hop)))

	for i := range v.Data {
		v.Data[i] *= brain.Data[i]
	}
	opt.NoMask = true
	all, err := Predict(context.Background(), []Member{Keep(net)}, []*volume.Volume{v}, nil, opt)
	require.NoError(t, err)
	require.Equal(t, len(Windows(v.Size, opt.Patch, opt.Hop)), total)
	outside := 0
	for i, b := range brain.Data {
		if b != 0 {
			require.Equal(t, all.Prob.Data[i], r.Prob.Data[i])
			continue
		}
		require.Zero(t, r.Prob.Data[i])
		if all.Prob.Data[i] != 0 {
			outside++
		}
	}
	require.Positive(t, outside, "NoMask predicts outside too")
}

func TestEnsembleIsTheMeanAndOpensOneAtATime(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	dir := t.TempDir()
	v := noise(3, [3]int{20, 17, 16})
	brain := ball(v.Grid, [3]float64{9, 8, 8}, 7)
	opt := small()
	var members []Member
	var single []*volume.Volume
	open, most := 0, 0
	for seed := range uint64(3) {
		net := network(t, dev, "segmenter", seed)
		r, err := Predict(context.Background(), []Member{Keep(net)}, []*volume.Volume{v}, brain, opt)
		require.NoError(t, err)
		single = append(single, r.Prob)
		path := filepath.Join(dir, string('a'+rune(seed)))
		require.NoError(t, net.Save(path, nil))
		net.Free()
		members = append(members, func() (*models.Net, func(), error) {
			net, err := models.Load(dev, path)
			open++
			most = max(most, open)
			return net, func() { net.Free(); open-- }, err
		})
	}
	r, err := Predict(context.Background(), members, []*volume.Volume{v}, brain, opt)
	require.NoError(t, err)
	require.Equal(t, 1, most)
	require.Zero(t, open)
	for i := range r.Prob.Data {
		mean := (float64(single[0].Data[i]) + float64(single[1].Data[i]) + float64(single[2].Data[i])) / 3
		require.InDelta(t, mean, float64(r.Prob.Data[i]), 1e-6)
	}
	now, _ := dev.Usage()
	require.Zero(t, now)
}

// Mirroring the image mirrors the result, which without the option it does not.
func TestMirror(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := network(t, dev, "segmenter", 6)
	v := noise(4, [3]int{16, 24, 16})
	flipped := v.Like()
	for k := range 16 {
		for j := range 24 {
			for i := range 16 {
				flipped.Data[v.Index(i, 23-j, k)] = v.At(i, j, k)
			}
		}
	}
	opt := small()
	opt.NoMask = true
	opt.Hop = opt.Patch // starts 0 and 8, once each; with a hop of 8 the second would count twice
	for _, mirror := range []bool{false, true} {
		opt.Mirror = mirror
		a, err := Predict(context.Background(), []Member{Keep(net)}, []*volume.Volume{v}, nil, opt)
		require.NoError(t, err)
		b, err := Predict(context.Background(), []Member{Keep(net)}, []*volume.Volume{flipped}, nil, opt)
		require.NoError(t, err)
		worst := 0.0
		for k := range 16 {
			for j := range 24 {
				for i := range 16 {
					worst = max(worst, math.Abs(float64(a.Prob.At(i, j, k)-b.Prob.At(i, 23-j, k))))
				}
			}
		}
		if mirror {
			require.Less(t, worst, 1e-5)
		} else {
			require.Greater(t, worst, 1e-2)
		}
	}
}

// With Gaussian weights a voxel in the middle of one window and at the border of
// the others takes after the first.
func TestGaussianWeights(t *testing.T) {
	a := newAccumulator(volume.Grid{Size: [3]int{24, 16, 16}}, func() Options { o := small(); o.Gaussian = true; return o }())
	ones, zeros := make([]float32, 4096), make([]float32, 4096)
	for i := range ones {
		ones[i] = 1
	}
	a.add(ones, Window{[3]int{0, 0, 0}, 1})
	a.add(zeros, Window{[3]int{8, 0, 0}, 1})
	m := a.mean(nil)
	g := func(i int) float64 { u := (float64(i) - 7.5) / 2; return max(math.Exp(-u*u/2), 0.01) }
	for i := 8; i < 16; i++ {
		require.InDelta(t, g(i)/(g(i)+g(i-8)), float64(m.At(i, 3, 4)), 1e-6)
	}
	require.EqualValues(t, 1, m.At(0, 0, 0))
	require.EqualValues(t, 0, m.At(23, 0, 0))
}

func TestPredictRefuses(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	seg, det, inp := network(t, dev, "segmenter", 1), network(t, dev, "detector", 1), network(t, dev, "inpainter", 1)
	v := noise(1, [3]int{16, 16, 16})
	v.Path = "scan.nii"
	brain := ball(v.Grid, [3]float64{8, 8, 8}, 6)
	predict := func(net *models.Net, times []*volume.Volume, brain *volume.Volume, change func(*Options)) error {
		opt := small()
		if change != nil {
			change(&opt)
		}
		_, err := Predict(context.Background(), []Member{Keep(net)}, times, brain, opt)
		return err
	}
	one := []*volume.Volume{v}
	require.NoError(t, predict(seg, one, brain, nil))
	require.ErrorContains(t, predict(det, one, brain, nil), "a detector takes 2 image(s)")
	require.ErrorContains(t, predict(seg, []*volume.Volume{v, v}, brain, nil), "a segmenter takes 1 image(s)")
	require.ErrorContains(t, predict(inp, one, brain, nil), "does not segment")
	require.ErrorContains(t, predict(seg, one, brain, func(o *Options) { o.Patch[2] = 12 }), "multiple of 8")
	require.ErrorContains(t, predict(seg, one, brain, func(o *Options) { o.Hop[0] = 17 }), "hop")
	require.ErrorContains(t, predict(seg, one, brain, func(o *Options) { o.Hop[1] = 0 }), "hop")
	require.ErrorContains(t, predict(seg, one, nil, nil), "scan.nii") // not skull-stripped
	moved := volume.New(v.Grid)
	moved.Affine[0][3] += 1
	require.ErrorContains(t, predict(det, []*volume.Volume{v, moved}, brain, nil), "not in the same space")
	require.ErrorContains(t, predict(seg, one, moved, nil), "not in the same space")
	_, err := Predict(context.Background(), nil, one, brain, small())
	require.ErrorContains(t, err, "no network")

	nan := v.Like()
	nan.Path = "broken.nii"
	nan.Data[3] = float32(math.NaN())
	require.ErrorContains(t, predict(seg, []*volume.Volume{nan}, brain, nil), "broken.nii")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Predict(ctx, []Member{Keep(seg)}, one, brain, small())
	require.ErrorIs(t, err, context.Canceled)
	sick := errors.New("no such file")
	_, err = Predict(context.Background(), []Member{func() (*models.Net, func(), error) { return nil, nil, sick }}, one, brain, small())
	require.ErrorIs(t, err, sick)
}

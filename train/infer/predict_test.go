package infer

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// slow is the definition, written out: every start one after another, those past
// the end shifted back and counted again, sums of both classes.
func slow(t *testing.T, nets []*models.Net, images []*volume.Volume, opt Options) (p0, p1 []float64) {
	size := images[0].Size
	n := images[0].Len()
	p0, p1 = make([]float64, n), make([]float64, n)
	for _, net := range nets {
		net.SetMode(layers.Eval)
		dev := net.Device()
		for x := 0; x < size[0]; x += opt.Stride[0] {
			for y := 0; y < size[1]; y += opt.Stride[1] {
				for z := 0; z < size[2]; z += opt.Stride[2] {
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
		for i := range nets[0].TimePoints() {
			images = append(images, noise(uint64(i), c.size))
		}
		brain := ball(images[0].Grid, [3]float64{10, 9, 12}, 8)
		before := nets[0].Metadata()["model"]
		require.Equal(t, c.kind, before)
		r, err := Predict(context.Background(), members, one(brain, images...), small())
		require.NoError(t, err)

		masked := make([]*volume.Volume, len(images))
		for i, im := range images {
			masked[i] = im.Like()
			masked[i].Grid = im.Grid
			for v := range im.Data {
				masked[i].Data[v] = im.Data[v] * bit(brain.Data[v])
			}
		}
		p0, p1 := slow(t, nets, masked, small())
		ones := 0
		for v := range p0 {
			p := p1[v] / (p0[v] + p1[v]) * float64(bit(brain.Data[v]))
			require.InDelta(t, p, float64(r.Prob.Data[v]), 1e-6)
			want := p1[v] > p0[v] && brain.Data[v]
			if math.Abs(p-0.5) > 1e-6 {
				require.Equal(t, want, r.Mask.Data[v])
			}
			ones += int(bit(r.Mask.Data[v]))
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

func TestPredictRefuses(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	seg, det, inp := network(t, dev, "segmenter", 1), network(t, dev, "detector", 1), network(t, dev, "inpainter", 1)
	v := noise(1, [3]int{16, 16, 16})
	v.Path = "scan.nii"
	brain := ball(v.Grid, [3]float64{8, 8, 8}, 6)
	predict := func(net *models.Net, times []*volume.Volume, brain *volume.Mask, change func(*Options)) error {
		opt := small()
		if change != nil {
			change(&opt)
		}
		_, err := Predict(context.Background(), []Member{Keep(net)}, prep.Case{Times: times, Brain: brain}, opt)
		return err
	}
	single := []*volume.Volume{v}
	require.NoError(t, predict(seg, single, brain, nil))
	require.ErrorContains(t, predict(det, single, brain, nil), "a detector takes 2 images per case, got 1")
	require.ErrorContains(t, predict(seg, []*volume.Volume{v, v}, brain, nil), "a segmenter takes 1 image per case, got 2")
	require.ErrorContains(t, predict(inp, single, brain, nil), "does not segment")
	require.ErrorContains(t, predict(seg, single, brain, func(o *Options) { o.Patch[2] = 12 }), "multiple of 8")
	require.ErrorContains(t, predict(seg, single, brain, func(o *Options) { o.Stride[0] = 17 }), "stride")
	require.ErrorContains(t, predict(seg, single, brain, func(o *Options) { o.Stride[1] = 0 }), "stride")
	require.ErrorContains(t, predict(seg, single, nil, nil), "scan.nii") // not skull-stripped
	moved := volume.New(v.Grid)
	moved.Affine[0][3] += 1
	movedBrain := volume.NewMask(moved.Grid)
	require.ErrorContains(t, predict(det, []*volume.Volume{v, moved}, brain, nil), "not in the same space")
	require.ErrorContains(t, predict(seg, single, movedBrain, nil), "not in the same space")
	_, err := Predict(context.Background(), nil, one(brain, v), small())
	require.ErrorContains(t, err, "no network")

	nan := v.Like()
	nan.Path = "broken.nii"
	nan.Data[nan.Index(8, 8, 8)] = float32(math.NaN())
	require.ErrorContains(t, predict(seg, []*volume.Volume{nan}, brain, nil), "broken.nii")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Predict(ctx, []Member{Keep(seg)}, one(brain, v), small())
	require.ErrorIs(t, err, context.Canceled)
	sick := errors.New("no such file")
	_, err = Predict(context.Background(), []Member{Open(func() (models.Network, func(), error) { return nil, nil, sick })}, one(brain, v), small())
	require.ErrorIs(t, err, sick)
}

package infer

import (
	"context"
	"math"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/volume"
)

// firsts counts the convolutions of images: one for each pass of an encoder over a time point.
type firsts struct {
	*cpu.Backend
	n int
}

func (f *firsts) Conv(y, x, w, b device.Tensor, p device.ConvParams, act device.Act) {
	if x.C == 1 {
		f.n++
	}
	f.Backend.Conv(y, x, w, b, p, act)
}

// twins are networks of different seeds with the encoder of the first.
func twins(t *testing.T, dev device.Backend, kind string, seeds ...uint64) (nets []*models.Net) {
	for _, seed := range seeds {
		net := network(t, dev, kind, seed)
		nets = append(nets, net)
		of := encoder(nets[0])
		for name, x := range encoder(net) {
			v := make([]float32, x.Len())
			dev.Download(v, of[name])
			dev.Upload(x, v)
		}
	}
	return nets
}

var inEncoder = regexp.MustCompile(`^(conv[1-7]|bn[1-6])\.`)

// encoder has the numbers that make SameEncoder.
func encoder(n *models.Net) map[string]device.Tensor {
	all := map[string]device.Tensor{}
	for _, p := range n.Params() {
		all[p.Name] = p.Tensor
	}
	for _, b := range n.Buffers() {
		all[b.Name] = b.Tensor
	}
	for name := range all {
		if !inEncoder.MatchString(name) {
			delete(all, name)
		}
	}
	return all
}

// An ensemble whose encoder is shared computes its features once a window, and the same result.
func TestSharedEncoderIsComputedOnce(t *testing.T) {
	dev := &firsts{Backend: cpu.New()}
	defer dev.Close()
	for _, kind := range []string{models.Segmenter, models.Detector} {
		nets := twins(t, dev, kind, 1, 2, 3)
		stranger := network(t, dev, kind, 4)
		var images []*volume.Volume
		for i := range nets[0].TimePoints() {
			images = append(images, noise(uint64(i), [3]int{20, 17, 16}))
		}
		brain := ball(images[0].Grid, [3]float64{9, 8, 8}, 7)
		opt := small()
		opt.Mirror = kind == models.Segmenter
		var kept, single []Member
		for _, net := range []*models.Net{nets[0], stranger, nets[1], nets[2]} {
			kept = append(kept, Keep(net))
			single = append(single, Open(func() (models.Network, func(), error) { return net, func() {}, nil }))
		}
		var told []int
		opt.Progress = func(done, total int) { told = append(told, done, total) }
		predict := func(members []Member) (*Result, int) {
			dev.n = 0
			r, err := Predict(context.Background(), members, one(brain, images...), opt)
			require.NoError(t, err)
			return r, dev.n
		}
		apart, passes := predict(single)
		told = nil
		together, fewer := predict(kept)
		require.Equal(t, passes/2, fewer, "two encoders instead of four")
		windows := told[1] / 4
		require.Equal(t, []int{3, 4 * windows}, told[:2], "three members a window")
		require.Equal(t, []int{4 * windows, 4 * windows}, told[len(told)-2:])
		for i, p := range apart.Prob.Data {
			require.InDelta(t, p, together.Prob.Data[i], 1e-7) // the order of sums in float64
		}

		// Each member's own map, in the order of the members, whose mean is the ensemble's.
		opt.Members = true
		all, _ := predict(kept)
		opt.Members = false
		require.Len(t, all.Members, 4)
		require.Nil(t, together.Members)
		for m, k := range kept {
			alone, _ := predict([]Member{k})
			require.Equal(t, alone.Prob.Data, all.Members[m].Data)
		}

		// A group has each member's own answer, to the bit.
		pair, _ := predict(kept[2:])
		a, _ := predict(single[2:3])
		b, _ := predict(single[3:])
		for i, p := range pair.Prob.Data {
			require.InDelta(t, (float64(a.Prob.Data[i])+float64(b.Prob.Data[i]))/2, float64(p), 6e-8)
		}
		planned, _, err := WindowMemory(nets[0].Config, opt.Patch, 2)
		require.NoError(t, err)
		alone, _, err := WindowMemory(nets[0].Config, opt.Patch, 1)
		require.NoError(t, err)
		require.GreaterOrEqual(t, planned, alone)

		for _, net := range append(nets, stranger) {
			net.Free()
		}
		now, _ := dev.Usage()
		require.Zero(t, now)
	}
}

// Encoders are one when all their numbers are; a bit of any of them makes them two.
func TestEncodersAreComparedByTheirNumbers(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	nets := twins(t, dev, models.Detector, 1, 2)
	same := func() bool { return len(grouped([]Member{Keep(nets[0]), Keep(nets[1])})) == 1 }
	require.True(t, same())
	for name, x := range encoder(nets[1]) {
		v := make([]float32, x.Len())
		dev.Download(v, x)
		last := &v[len(v)-1]
		was := *last
		*last = math.Float32frombits(math.Float32bits(was) ^ 1)
		dev.Upload(x, v)
		require.False(t, same(), name)
		*last = was
		dev.Upload(x, v)
	}
	require.True(t, same())
	other := cpu.New()
	defer other.Close()
	nets[1] = network(t, other, models.Detector, 1)
	require.False(t, same(), "on another device")
	require.True(t, nets[0].SameEncoder(network(t, dev, models.Detector, 1)))
	require.False(t, nets[0].SameEncoder(network(t, dev, models.Segmenter, 1)), "of another kind")
}

package infer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
)

func TestMembersMustAgree(t *testing.T) {
	a := models.Preparation{Normalize: "none", Interpolation: "cubic", Spacing: 1, Axes: "RAS", Patch: [3]int{32, 32, 32}, Threshold: 0.4}
	b := a
	b.Patch = [3]int{16, 16, 16} // windows may differ
	all, err := Agree([]string{"a", "b", "old"}, []models.Preparation{a, b, {}})
	require.NoError(t, err)
	require.Equal(t, "none", all.Normalize)
	require.Equal(t, 0.4, all.Threshold)
	require.Equal(t, a.Patch, all.Patch)
	b.Stride = [3]int{9, 9, 9}
	all, err = Agree([]string{"a", "b"}, []models.Preparation{a, b})
	require.NoError(t, err)
	require.Zero(t, all.Stride, "of the file that the windows are from")
	for want, change := range map[string]func(p *models.Preparation){
		"normalize is none and kde":       func(p *models.Preparation) { p.Normalize = "kde" },
		"interpolation is cubic and line": func(p *models.Preparation) { p.Interpolation = "linear" },
		"threshold is 0.4 and 0.5":        func(p *models.Preparation) { p.Threshold = 0.5 },
	} {
		b := a
		change(&b)
		_, err := Agree([]string{"a.safetensors", "old", "b.safetensors"}, []models.Preparation{a, {}, b})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "a.safetensors and b.safetensors cannot be used together")
	}
	for want, p := range map[string]models.Preparation{
		"voxels of 2 mm": {Spacing: 2}, "axes LPS": {Axes: "LPS"}, "normalize": {Normalize: "zscore"},
	} {
		_, err := Agree([]string{"w"}, []models.Preparation{p})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "w: ")
	}
}

func TestOptionsObeyTheWeights(t *testing.T) {
	p := models.Preparation{Normalize: "none", Interpolation: "cubic", Patch: [3]int{32, 24, 16}, Threshold: 0.4}
	o := Defaults()
	require.Empty(t, o.Obey(p, func(string) bool { return false }))
	require.Equal(t, "none", o.Normalize)
	require.Equal(t, "cubic", o.Interpolation)
	require.Equal(t, 0.4, o.Threshold)
	require.Equal(t, p.Patch, o.Patch)
	require.Equal(t, [3]int{16, 12, 8}, o.Stride, "half a window")
	p.Stride = [3]int{30, 20, 10}
	o = Defaults()
	require.Empty(t, o.Obey(p, func(setting string) bool { return setting == "stride" }))
	require.Equal(t, Defaults().Stride, o.Stride)
	require.Empty(t, o.Obey(p, func(string) bool { return false }))
	require.Equal(t, p.Stride, o.Stride)

	o = Defaults()
	require.Equal(t, []string{"normalize is kde, the network was trained with none", "interpolation is linear, the network was trained with cubic",
		"threshold is 0.5, the network was trained with 0.4"}, o.Obey(p, func(string) bool { return true }))
	require.Equal(t, Defaults(), o, "what the user has chosen stays")
	require.Empty(t, o.Obey(models.Preparation{}, func(string) bool { return true }))
}

// The plan is what the device is asked for.
func TestWindowMemory(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	for _, kind := range []string{models.Segmenter, models.Detector} {
		net := network(t, dev, kind, 1)
		v := noise(1, [3]int{16, 16, 16})
		c := one(nil, v)
		if kind == models.Detector {
			c = one(nil, v, noise(2, [3]int{16, 16, 16}))
		}
		_, err := Predict(context.Background(), []Member{Keep(net)}, c, small())
		require.NoError(t, err)
		_, peak := dev.Usage()
		planned, _, err := WindowMemory(net.Config, small().Patch, 1)
		require.NoError(t, err)
		require.InEpsilon(t, peak, planned, 0.2, kind)
		net.Free()
		require.NoError(t, Fits(net.Config, small().Patch, 1, 1<<30))
		require.ErrorContains(t, Fits(net.Config, [3]int{1024, 1024, 512}, 1, 1<<34), "windows of 1024×1024×512 voxels need about")
	}
}

func TestOptionsAreBounded(t *testing.T) {
	for _, patch := range [][3]int{{1 << 40, 1 << 40, 8}, {1024, 1024, 1024}, {0, 8, 8}, {-8, 8, 8}} {
		o := small()
		o.Patch = patch
		require.ErrorContains(t, o.Check(), "windows of")
	}
	o := small()
	o.Stride = [3]int{1, 1, 1}
	_, err := brainWindows(noise(1, [3]int{16, 16, 16}).Grid, o, nil)
	require.NoError(t, err)
	g := noise(1, [3]int{2, 2, 2}).Grid
	g.Size = [3]int{512, 512, 512}
	_, err = brainWindows(g, o, nil)
	require.ErrorContains(t, err, "use a larger stride")
	for _, x := range []float64{0, 1, -1, 2} {
		o := small()
		o.Threshold = x
		require.ErrorContains(t, o.Check(), "threshold")
	}
}

// stack is a network of somebody's own: one convolution.
type stack struct {
	*layers.Net
	conv *layers.Conv
}

func (s *stack) Forward(t *autograd.Tape, x ...*autograd.Var) *autograd.Var {
	return s.conv.Forward(t, x[0])
}

func (s *stack) Spec() models.Spec {
	return models.Spec{Name: "stack", Images: 1, Cin: 1, Cout: 2, Head: models.Softmax, Multiple: 1}
}

// Any network that segments is applied by windows.
func TestNetworkOfOnesOwn(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	s := &stack{Net: layers.NewNet(dev)}
	s.conv = layers.NewConv(s.Scope().In("conv"), 1, 2, layers.ConvOptions{ConvParams: device.Conv3x3x3})
	s.Init(3)
	v := noise(1, [3]int{11, 9, 13})
	opt := small()
	opt.Patch, opt.Stride = [3]int{6, 6, 6}, [3]int{3, 3, 3}
	var net models.Network = s
	r, err := Predict(context.Background(), []Member{Keep(net)}, one(nil, v), opt)
	require.NoError(t, err)
	require.Equal(t, v.Grid, r.Prob.Grid)
	require.Greater(t, r.Prob.At(5, 5, 5), float32(0))
	_, err = Predict(context.Background(), []Member{Keep(net)}, one(nil, v, v), opt)
	require.ErrorContains(t, err, "a stack takes 1 image per case, got 2")
}

// The sums of one member are kept for the planes of a window only, to the same bits.
func TestAccumulatorOfOneMember(t *testing.T) {
	g := noise(1, [3]int{20, 17, 41}).Grid
	for _, gaussian := range []bool{false, true} {
		o := small()
		o.Gaussian, o.Stride = gaussian, [3]int{5, 8, 3}
		ring, whole := newAccumulator(g, nil, 1, o), newAccumulator(g, nil, 2, o)
		require.Less(t, len(ring.sum), len(whole.sum)/2)
		prob := make([]float32, 16*16*16)
		for n, w := range Windows(g.Size, o.Patch, o.Stride) {
			if n%7 == 3 { // a window without brain
				continue
			}
			for i := range prob {
				prob[i] = float32((i*31+n*17)%1000) / 1000
			}
			ring.add(prob, w)
			whole.add(prob, w)
		}
		require.Equal(t, whole.mean().Data, ring.mean().Data)
	}
}

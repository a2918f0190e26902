package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/device/ref"
	"voxgrad/layers"
	"voxgrad/models"
)

// A segmenter of width w with trilinear up and dropout on one patch of V voxels,
// in float32. What a forward pass must keep for the reverse pass, in values per
// voxel of the full grid, level by level (l = 0, 1, 2 with m = w·2^l and 8^-l of the
// voxels):
//
//	way down: conv m, conv 2m, and on the next grid pool 2m, dropout 2m; norms are not made
//	bottom:   conv 16w on the grid of V/512
//	way up:   conv (4w, 4w, 8w); what is upsampled, concatenated and normalised is not made
//	logits:   2
func keptByTraining(w, voxels int) int {
	n := 16*w*voxels/512 + 2*voxels
	for l := range 3 {
		m, v := w<<l, voxels>>(3*l)
		n += (m+2*m)*v + 2*2*m*v/8
		n += []int{4 * w, 4 * w, 8 * w}[l] * v
	}
	return n
}

// Statistics kept by norms, mean and deviation of each channel, and by the loss,
// itself and six sums.
func keptVectors(w int) int {
	return 2*(w+2*w+2*w+4*w+4*w+8*w+24*w+12*w+6*w) + 1 + 6
}

func TestPeakMemory(t *testing.T) {
	const w, edge = 2, 16
	const voxels = edge * edge * edge
	dev := ref.New[float32]()
	c := small(models.Segmenter, layers.Trilinear)
	net := build(t, dev, c, 1)
	s := device.Shape{N: 1, D: edge, H: edge, W: edge}
	x := noise(net, s)
	target := upload(dev, s.WithC(2), make([]float32, 2*voxels))
	usage := func() (now, peak int) {
		n, p := dev.Usage()
		return int(n), int(p)
	}
	train := func() (forward, peak, left int) {
		before, _ := usage()
		dev.ResetPeak()
		tape := autograd.New(dev, 1)
		defer tape.Close()
		loss, _ := tape.DiceLoss(net.Forward(tape, x...), target, device.DiceOptions{Eps: 0.01})
		now, _ := usage()
		tape.Backward(loss)
		after, peak := usage()
		return now - before, peak - before, after - before
	}

	_, all := net.Count()
	_, _, left := train()
	require.Equal(t, 4*(all+1+6), left, "after the reverse pass: gradients, the loss and its sums")

	// The second step finds the parameters' gradients allocated.
	forward, peak, left := train()
	require.Equal(t, 4*(keptByTraining(w, voxels)+keptVectors(w)), forward)
	require.Equal(t, 4*7, left)
	// The worst moment is early in the reverse pass: conv10 has its gradient (4w) and
	// those of its sources (4w on the coarse grid, 2w), and the logits are gone with theirs.
	require.Equal(t, forward+4*(13*w/2-2)*voxels, peak)
	require.Equal(t, 517132, peak)

	// Inference keeps one result and the skips; the worst moment is conv10: 4w of
	// 4w on the coarse grid and of the skip's 2w.
	net.SetMode(layers.Eval)
	before, _ := usage()
	dev.ResetPeak()
	tape := autograd.NewInference(dev)
	y := net.Forward(tape, x...)
	now, most := usage()
	require.Equal(t, 4*y.Len(), now-before)
	require.Equal(t, 4*(13*w/2*voxels+6*w), most-before) // and 1/σ
	require.Equal(t, 213040, most-before)
	tape.Close()

	net.FreezeEncoder()
	net.SetMode(layers.Train)
	frozen, _, _ := train()
	require.Less(t, frozen, forward, "a frozen encoder keeps only its skips")
}

// A device that runs out of memory anywhere in a step makes the rest do nothing:
// no panic, one error from Sync.
func TestDeviceFailureComesOutOfSync(t *testing.T) {
	s := device.Shape{N: 1, D: 8, H: 8, W: 8}
	step := func(limit int64) (used int64, err error) {
		dev := cpu.New()
		defer dev.Close()
		net := build(t, dev, small(models.Segmenter, layers.Transposed), 1)
		x := noise(net, s)
		target := upload(dev, s.WithC(2), make([]float32, 2*s.Rows()))
		adam := net.Adam(1e-3)
		before, _ := dev.Usage()
		if limit > 0 {
			dev.SetLimit(before + limit)
		}
		dev.ResetPeak()
		tape := autograd.New(dev, 1)
		loss, sums := tape.DiceLoss(net.Forward(tape, x...), target, device.DiceOptions{Eps: 0.01})
		tape.Backward(loss)
		tape.Value(sums)
		adam.Update()
		tape.Close()
		_, peak := dev.Usage()
		return peak - before, dev.Sync()
	}
	need, err := step(0)
	require.NoError(t, err)
	for i := range int64(8) {
		_, err := step(1 + need*i/8)
		require.Error(t, err, "with %d/8 of the memory", i)
	}
	_, err = step(2 * need) // the device rounds sizes up
	require.NoError(t, err)
}

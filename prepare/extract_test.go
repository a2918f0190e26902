package prepare

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/par"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/volume"
)

func extractor(t *testing.T) *Extractor {
	t.Helper()
	dev := cpu.New()
	e, err := NewExtractor(dev)
	require.NoError(t, err)
	t.Cleanup(func() {
		e.Free()
		require.NoError(t, dev.Close())
	})
	return e
}

// ball is a scan of a bright ball of that radius (mm) in voxels of 4 mm: no head.
func ball(radius float64) *volume.Volume {
	v := volume.New(volume.Grid{Size: [3]int{40, 40, 40}, Affine: volume.Affine{{4}, {0, 4}, {0, 0, 4}}})
	for i := range v.Data {
		if math.Hypot(math.Hypot(float64(i%40)-20, float64(i/40%40)-20), float64(i/1600)-20)*4 < radius {
			v.Data[i] = 100
		}
	}
	return v
}

func TestNoBrainIsSaid(t *testing.T) {
	e := extractor(t)
	empty := ball(0)
	empty.Path = "empty.nii.gz"
	_, err := e.Extract(empty)
	require.ErrorContains(t, err, "empty.nii.gz: no brain found")
	require.ErrorContains(t, err, "--brainmask")
	bad := ball(0)
	bad.Data[0] = float32(math.NaN())
	_, err = e.Extract(bad)
	require.ErrorContains(t, err, "no brain found")
	for size, said := range map[int]string{40: "no brain found with certainty", 56: "no brain found ("} { // of noise alone, and of more than a head has
		noise := volume.New(volume.Grid{Size: [3]int{size, size, size}, Affine: volume.Affine{{4}, {0, 4}, {0, 0, 4}}})
		draw := rng.New(1)
		for i := range noise.Data {
			noise.Data[i] = float32(draw.Uniform(100, 131))
		}
		_, err = e.Extract(noise)
		require.ErrorContains(t, err, said, size)
	}
	huge := volume.New(volume.Grid{Size: [3]int{8, 8, 8}, Affine: volume.Affine{{80}, {0, 80}, {0, 0, 80}}})
	_, err = e.Extract(huge)
	require.ErrorContains(t, err, "is not that of a head")
}

func TestExtractorsTakeSegmentersAlone(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	c := models.Default(models.Inpainter)
	c.Width = 1
	net, err := models.New(dev, c, 1)
	require.NoError(t, err)
	defer net.Free()
	_, err = ExtractorOf(dev, net)
	require.ErrorContains(t, err, "needs a segmenter")

	// One that does not say above what its probabilities are brain.
	c = models.Default(models.Segmenter)
	c.Cin, c.Width = 1, 1
	bare, err := models.New(dev, c, 1)
	require.NoError(t, err)
	defer bare.Free()
	bare.Preparation = models.Preparation{Spacing: 2.5}
	_, err = ExtractorOf(dev, bare)
	require.ErrorContains(t, err, "its threshold")
	bare.Preparation.Threshold = 0.5
	_, err = ExtractorOf(dev, bare)
	require.NoError(t, err)
}

func TestLargestPieceIsFilled(t *testing.T) {
	size := [3]int{7, 7, 7}
	mask := make([]bool, 343)
	for i := range mask {
		x, y, z := i%7, i/7%7, i/49
		mask[i] = x < 5 && y < 5 && z < 5 && !(x == 2 && y == 2 && z == 2) || x == 6 && y == 6 && z == 6
	}
	got, err := largest(mask, size)
	require.NoError(t, err)
	n := 0
	for _, in := range got {
		if in {
			n++
		}
	}
	require.Equal(t, 125, n)
	require.False(t, got[342])
	none, err := largest(make([]bool, 343), size)
	require.NoError(t, err)
	require.NotContains(t, none, true)
}

// A voxel of the network's grid is the mean of what is in it.
func TestAverageIsTheMeanOfAVoxel(t *testing.T) {
	v := volume.New(volume.Grid{Size: [3]int{8, 8, 8}, Affine: volume.Identity})
	for i := range v.Data {
		v.Data[i] = float32(i % 8)
	}
	g, err := volume.Iso(v.Grid, 2)
	require.NoError(t, err)
	x := average(v, g)
	require.InDelta(t, 2.5, x.At(1, 1, 1), 1e-5)
	require.InDelta(t, 4.5, x.At(2, 0, 3), 1e-5)
}

// Air around a head, which padding makes, changes nothing: neither how bright the head is nor what the network sees.
func TestFieldsOfViewAreCroppedToTheHead(t *testing.T) {
	v := ball(40)
	x, err := cropToHead(v, 4)
	require.NoError(t, err)
	require.Equal(t, [3]int{29, 29, 29}, x.Size) // 19 voxels across and 20 mm on either side
	require.Equal(t, v.At(20, 11, 20), x.At(14, 5, 14))
	require.Equal(t, v.World(6, 6, 6), x.World(0, 0, 0))
	small := x.Size
	for i := range v.Data { // a speck, and air that is not quite dark
		v.Data[i] += float32(i % 7)
	}
	v.Data[1] = 100
	x, err = cropToHead(v, 4)
	require.NoError(t, err)
	require.Equal(t, small, x.Size)
	whole, err := cropToHead(ball(0), 4) // nothing at all
	require.NoError(t, err)
	require.Equal(t, v.Size, whole.Size)
	for i := range v.Data { // bright air
		v.Data[i] = 200 - v.Data[i]
	}
	if whole, err = cropToHead(v, 4); err != nil {
		t.Fatal(err)
	}
	require.Equal(t, v.Size, whole.Size)
}

// The brain of a real scan, which took no part in training, whatever the order of its axes and the number of cores.
func TestBrainOfARealScan(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data", "longitudinal", "patient01")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the shared data are not here: ", err)
	}
	v, err := volume.Read(filepath.Join(dir, "flair_time01.nii.gz"))
	require.NoError(t, err)
	truth, err := volume.ReadMask(filepath.Join(dir, "brainmask.nii.gz"))
	require.NoError(t, err)
	e := extractor(t)
	b, err := e.Extract(v)
	require.NoError(t, err)
	both := 0
	for i, in := range truth.Data {
		if in && b.Mask.Data[i] {
			both++
		}
	}
	require.Greater(t, 2*float64(both)/float64(truth.Count()+b.Mask.Count()), 0.955)
	require.Greater(t, b.Certainty, 0.95)
	require.InDelta(t, 1314, b.ML, 20)
	par.SetThreads(1)
	defer par.SetThreads(0)
	turned, err := e.Extract(volume.Canonical(v))
	require.NoError(t, err)
	require.Equal(t, volume.Canonical(b.Mask.Volume()).Data, turned.Mask.Volume().Data)
	par.SetThreads(0)
	pad := [3]int{140, 140, 33} // 100 mm of air on every side
	wide := v.Grid
	for a := range pad {
		wide.Size[a] += 2 * pad[a]
	}
	at := v.World(-float64(pad[0]), -float64(pad[1]), -float64(pad[2]))
	for r := range at {
		wide.Affine[r][3] = at[r]
	}
	padded, err := e.Extract(volume.Resample(v, wide, volume.Nearest, 0))
	require.NoError(t, err)
	require.InDelta(t, b.ML, padded.ML, 0.03*b.ML)
	e.net.Preparation.Threshold = 0.8 // what is brain is said by the weights
	less, err := e.Extract(v)
	require.NoError(t, err)
	require.Less(t, less.ML, b.ML-30)
}

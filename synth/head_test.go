package synth

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/augment"
	"voxgrad/internal/par"
	"voxgrad/volume"
)

// smallHead is a head made of balls: scalp, bone, fluid, cortex, white matter, ventricle, and a brain stem below.
func smallHead(t *testing.T) *Anatomy {
	t.Helper()
	size := [3]int{64, 64, 64}
	class := make([]uint8, 64*64*64)
	for i := range class {
		p := [3]float64{float64(i%64) - 31.5, float64(i/64%64) - 31.5, float64(i/4096) - 31.5}
		r := math.Sqrt(p[0]*p[0] + p[1]*p[1] + p[2]*p[2])
		for _, b := range []struct {
			r float64
			c Class
		}{{30, Scalp}, {27, Bone}, {25, CSF}, {23, Cortex}, {20, WhiteMatter}, {6, Ventricle}} {
			if r < b.r {
				class[i] = uint8(b.c)
			}
		}
		if r < 23 && r > 14 && p[2] < -10 && math.Hypot(p[0], p[1]) < 6 {
			class[i] = uint8(BrainStem)
		}
	}
	a, err := NewAnatomy("balls", size, class)
	require.NoError(t, err)
	return a
}

// still are options under which nothing moves and nothing is degraded.
func still() HeadOptions {
	o := DefaultHeads()
	o.SpacingMM = 1
	o.TurnDegrees, o.ScaleSD, o.ShearSD, o.ShiftMM, o.BendMM = 0, 0, 0, 0, 0
	o.CutFace, o.Stripped, o.Tight, o.AirMax, o.GammaMax, o.TextureMax, o.PatchyMax = 0, 0, 0, 0, 1, 0, 0
	return o
}

func TestAnatomyIsCroppedAndItsBrainClosed(t *testing.T) {
	a := smallHead(t)
	require.Equal(t, [3]int{64, 64, 64}, a.Size, "60 voxels of head, and room for the closing")
	brain := 0
	for _, v := range a.voxels {
		if v&brainBit != 0 {
			brain++
		}
	}
	ball := 4. / 3 * math.Pi * 23 * 23 * 23
	require.InDelta(t, ball, float64(brain), 0.02*ball)
	_, err := NewAnatomy("air", [3]int{3, 3, 3}, make([]uint8, 27))
	require.ErrorContains(t, err, "nothing but air")
	_, err = NewAnatomy("bone", [3]int{1, 1, 2}, []uint8{uint8(Bone), 0})
	require.ErrorContains(t, err, "no brain")
	_, err = NewAnatomy("class", [3]int{1, 1, 1}, []uint8{uint8(classes)})
	require.ErrorContains(t, err, "class")
}

func TestSulciAreInsideTheClosedBrain(t *testing.T) {
	size := [3]int{30, 20, 20}
	class := make([]uint8, 30*20*20)
	for i := range class {
		x, y, z := i%30, i/30%20, i/600
		if x >= 6 && x < 24 && y >= 6 && y < 14 && z >= 6 && z < 14 && !(x >= 14 && x < 17) {
			class[i] = uint8(Cortex)
		}
	}
	a, err := NewAnatomy("sulcus", size, class)
	require.NoError(t, err)
	lo := [3]int{6 - ClosingMM - 1, 6 - ClosingMM - 1, 6 - ClosingMM - 1} // of the crop
	for x := 14; x < 17; x++ {
		v := a.at(float32(x-lo[0]), float32(10-lo[1]), float32(10-lo[2]))
		require.Equal(t, uint8(CSF)|brainBit, v, "three voxels of air between two blocks become fluid inside the brain")
	}
	require.Equal(t, uint8(Air), a.at(float32(3-lo[0]), float32(10-lo[1]), float32(10-lo[2])), "what is beside them does not")
}

// The fluid between the ball of cortex, of radius 23, and the bone at 25 is 2 mm thick.
func TestTheBrainMayHaveARimOfFluid(t *testing.T) {
	a := smallHead(t)
	size := [3]int{64, 64, 64}
	for rim, radius := range map[int]float64{0: 23, 1: 24, 2: 25, 3: 25} {
		o := still()
		o.RimMM = rim
		h := o.Draw(augment.NewStream(1), a, size)
		sum := 0.
		for _, b := range h.Brain {
			sum += float64(b)
		}
		ball := 4. / 3 * math.Pi * radius * radius * radius
		require.InDelta(t, ball, sum, 0.035*ball, "rim of %d mm", rim)
		o.RimMM = 0
		plain := o.Draw(augment.NewStream(1), a, size)
		require.Equal(t, plain.Image, h.Image, "the scan does not depend on what is found in it")
	}
}

func TestReadAnatomyRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mm float64, value float32) string {
		v := volume.New(volume.Grid{Size: [3]int{4, 4, 4}, Affine: volume.Affine{{mm}, {0, mm}, {0, 0, mm}}})
		v.Data[21] = value
		path := filepath.Join(dir, name)
		require.NoError(t, volume.Write(path, v, volume.Int16))
		return path
	}
	_, err := ReadAnatomy(write("unknown.nii.gz", 1, 999))
	require.ErrorContains(t, err, "unknown.nii.gz")
	require.ErrorContains(t, err, "999 (1 voxels)")
	_, err = ReadAnatomy(write("coarse.nii.gz", 2, 2))
	require.ErrorContains(t, err, "1 mm")
	scan := filepath.Join(t.TempDir(), "scan.nii.gz")
	v := volume.New(volume.Grid{Size: [3]int{4, 4, 4}, Affine: volume.Identity})
	v.Data[21] = 7.5
	require.NoError(t, volume.Write(scan, v, volume.Float32))
	_, err = ReadAnatomy(scan)
	require.ErrorContains(t, err, "scan.nii.gz: no label map of a head")
	_, err = FindAnatomies(t.TempDir())
	require.ErrorContains(t, err, "no label map")
	files, err := FindAnatomies(dir)
	require.NoError(t, err)
	require.Len(t, files, 2)
}

// Without any movement the share of brain is the closed brain itself, and each class has one intensity.
func TestAStillHeadIsItsLabels(t *testing.T) {
	a := smallHead(t)
	o := still()
	size := [3]int{64, 64, 64}
	h := o.Draw(augment.NewStream(1), a, size)
	values := map[Class][]float32{}
	for i, b := range h.Brain {
		p := unindex(i, size)
		shift := [3]int{}
		for k := range shift {
			shift[k] = int(math.Round(a.centre[k] - 31.5))
		}
		v := a.at(float32(p[0]+shift[0])+0.5, float32(p[1]+shift[1])+0.5, float32(p[2]+shift[2])+0.5)
		if inner := b == 0 || b == 1; inner && v&brainBit != 0 && b != 1 {
			t.Fatalf("voxel %v: brain, but its share is %g", p, b)
		}
		if c := Class(v & classBits); b == 1 && c == WhiteMatter {
			values[c] = append(values[c], h.Image[i])
		}
	}
	require.NotEmpty(t, values[WhiteMatter])
	slices.Sort(values[WhiteMatter])
	n := len(values[WhiteMatter])
	require.InDelta(t, values[WhiteMatter][n/10], values[WhiteMatter][n*9/10], 1e-5, "one tissue, one intensity, but for partial volume")
}

func TestDrawIsAFunctionOfItsStream(t *testing.T) {
	a := smallHead(t)
	o := DefaultHeads()
	o.BendCellMM = 8
	size := [3]int{24, 32, 16}
	one := o.Draw(augment.NewStream(5, "head"), a, size)
	par.SetThreads(1)
	defer par.SetThreads(0)
	require.Equal(t, one, o.Draw(augment.NewStream(5, "head"), a, size))
	require.NotEqual(t, one.Image, o.Draw(augment.NewStream(6, "head"), a, size).Image)
	for seed := range uint64(30) {
		h := o.Draw(augment.NewStream(seed), a, size)
		for i, x := range h.Image {
			require.False(t, math.IsNaN(float64(x)) || x < 0, "%d", i)
			require.True(t, h.Brain[i] >= 0 && h.Brain[i] <= 1)
		}
		r := o.Scanner(augment.NewStream(seed, "scanner"), nil)
		require.NoError(t, r.Check(size))
	}
}

func TestFieldsOfViewEnd(t *testing.T) {
	a := smallHead(t)
	o := still()
	o.AirMax = 0
	o.Tight, o.TightMM = 1, 0
	size := [3]int{64, 64, 64}
	h := o.Draw(augment.NewStream(3), a, size)
	box := h.box()
	for i, x := range h.Image {
		if p := unindex(i, size); p[0] < box[0][0] || p[1] >= box[1][1] || p[2] < box[0][2] {
			require.Zero(t, x)
			require.Zero(t, h.Brain[i])
		}
	}
	require.InDelta(t, 46, box[1][0]-box[0][0], 1)
	o = still()
	o.Stripped = 1
	h = o.Draw(augment.NewStream(3), a, size)
	for i, b := range h.Brain {
		if b < 0.5 {
			require.Zero(t, h.Image[i])
		}
	}
}

func TestSmoothFieldsAreStandard(t *testing.T) {
	for _, cell := range []float64{1, 2.5, 6} {
		sum, squares, n := 0.0, 0.0, 0.0
		for seed := range uint64(6) {
			for _, x := range augment.SmoothField(augment.NewStream(seed), [3]int{40, 37, 50}, cell) {
				sum, squares, n = sum+float64(x), squares+float64(x)*float64(x), n+1
			}
		}
		require.InDelta(t, 0, sum/n, 0.1, "cell %g", cell)
		require.InDelta(t, 1, math.Sqrt(squares/n), 0.1, "cell %g", cell)
	}
	x := augment.SmoothField(augment.NewStream(1), [3]int{1, 1, 200}, 10)
	for i := range len(x) - 2 {
		require.Less(t, math.Abs(float64(x[i]-2*x[i+1]+x[i+2])), 0.15, "smooth at %d", i)
	}
}

// A lesion's contrast is its mean, however soft and small it is; a tiny one does not get a peak for it.
func TestContrastIsTheMeanOverALesion(t *testing.T) {
	size := [3]int{12, 11, 13}
	for edge, exact := range map[int]bool{1: false, 3: true, 5: true} {
		var list []int32
		for i := range size[0] * size[1] * size[2] {
			if p := unindex(i, size); p[0] >= 4 && p[0] < 4+edge && p[1] >= 4 && p[1] < 4+edge && p[2] >= 4 && p[2] < 4+edge {
				list = append(list, int32(i))
			}
		}
		bright := make([]float32, size[0]*size[1]*size[2])
		brighten(bright, list, size, 0.6, 0.3)
		mean, peak := 0.0, float32(0)
		for _, i := range list {
			mean += float64(bright[i]) / float64(len(list))
			peak = max(peak, bright[i])
		}
		require.LessOrEqual(t, peak, float32(0.3*brightest)+1e-6)
		if exact {
			require.InDelta(t, 0.3, mean, 1e-5)
		} else {
			require.Less(t, mean, 0.2)
		}
	}
}

// Confluent lesions are white matter along the ventricles, and what grew is around what was there.
func TestConfluentLesionsLineTheVentricles(t *testing.T) {
	a := smallHead(t)
	o, l := still(), DefaultLesions()
	l.CountMean, l.Confluent, l.NewMax, l.PSFMax, l.RimMax, l.MaskError = 0, 1, 0, 0, 0, 0
	l.Gone, l.Grown, l.Shrunk = 0, 1, 0
	l.MoveMM, l.MoveTurn, l.MoveBend = 0, 0, 0
	size := [3]int{64, 64, 64}
	found := 0
	for seed := range uint64(8) {
		v, err := o.DrawVisits(augment.NewStream(seed), l, a, NewLibrary(Options{ShapeMin: 4, ShapeMax: 10}), size, 2)
		require.NoError(t, err)
		for _, p := range v.Planted {
			require.Equal(t, Periventricular, p.Site)
			require.Equal(t, "confluent", p.ShapeOf)
		}
		for i, in := range v.Lesions[1] {
			p := unindex(i, size)
			r := math.Sqrt(sq(float64(p[0])-31.5) + sq(float64(p[1])-31.5) + sq(float64(p[2])-31.5))
			require.False(t, v.Lesions[0][i] && !in)
			if in {
				found++
				require.InDelta(t, 13, r, 8.5, "from the ventricle's surface at 6 to 14 mm from it")
				require.NotZero(t, v.Kinds[i])
			}
			require.False(t, v.New[i])
		}
	}
	require.Greater(t, found, 1000)
}

func TestVisitsHoldWhatTheyRecord(t *testing.T) {
	a := smallHead(t)
	o, l := DefaultHeads(), DefaultLesions()
	o.SpacingMM, o.ShiftMM = 1, 5
	l.CountMean = 400
	lib := NewLibrary(Options{ShapeMin: 4, ShapeMax: 4000})
	shape := make([]bool, 6*5*5)
	for i := range shape {
		shape[i] = true
	}
	_, err := lib.Add("box", shape, [3]int{6, 5, 5})
	require.NoError(t, err)
	size := [3]int{40, 40, 40}
	kinds := map[Kind]int{}
	for seed := range uint64(40) {
		v, err := o.DrawVisits(augment.NewStream(seed), l, a, lib, size, 2)
		require.NoError(t, err)
		fresh := 0
		for _, p := range v.Planted {
			kinds[p.Kind]++
			require.NotEqual(t, NoSite, p.Site)
			if p.Kind == Appears {
				fresh += p.Voxels
				require.GreaterOrEqual(t, p.Voxels, leastNew)
			}
		}
		count := 0
		for i, n := range v.New {
			if n {
				count++
				require.True(t, v.Lesions[1][i] && !v.Lesions[0][i], "new is at time 2 and not at time 1")
				require.Equal(t, 1+uint8(Appears), v.Kinds[i])
			}
		}
		require.Equal(t, fresh, count)
		grow(listOf(v.New), size, 1, func(i int) { require.False(t, v.Lesions[0][i], "a new lesion touches an old one") })
		for _, im := range v.Images {
			for _, x := range im {
				require.False(t, math.IsNaN(float64(x)) || x < 0)
			}
		}
		again, err := o.DrawVisits(augment.NewStream(seed), l, a, lib, size, 2)
		require.NoError(t, err)
		require.Equal(t, v, again)
	}
	for k := Stays; k <= Shrinks; k++ {
		require.Positive(t, kinds[k], k.String())
	}
	one, err := o.DrawVisits(augment.NewStream(1), l, a, lib, size, 1)
	require.NoError(t, err)
	require.Len(t, one.Images, 1)
	require.NotContains(t, one.New, true)
	require.NotContains(t, one.Lesions[1], true)
}

func listOf(mask []bool) (out []int32) {
	for i, in := range mask {
		if in {
			out = append(out, int32(i))
		}
	}
	return out
}

// Lesions are brighter than the same scan without them, where they are and nowhere else.
func TestLesionsBrighten(t *testing.T) {
	a := smallHead(t)
	o, l := still(), DefaultLesions()
	l.CountMean, l.CountSD, l.Faint, l.Bright, l.SoftSD = 2000, 0, 0.5, 0.5, 0.3
	l.Centred = 0
	lib := NewLibrary(Options{ShapeMin: 1, ShapeMax: 4000})
	_, err := lib.Add("dot", []bool{true, true, true, true, true, true, true, true}, [3]int{2, 2, 2})
	require.NoError(t, err)
	size := [3]int{40, 40, 40}
	with, err := o.DrawVisits(augment.NewStream(4), l, a, lib, size, 1)
	require.NoError(t, err)
	require.NotEmpty(t, with.Planted)
	white := with.Images[0][slices.IndexFunc(with.Lesions[0], func(b bool) bool { return b })]
	inside, outside, n, m := 0.0, 0.0, 0, 0
	for i, in := range with.Lesions[0] {
		x := float64(with.Images[0][i])
		if in {
			inside, n = inside+x, n+1
		} else if with.Brain[i] {
			outside, m = outside+x, m+1
		}
	}
	require.Greater(t, inside/float64(n), 1.2*outside/float64(m), "%g", white)
}

// The label maps of the shared data can be drawn from.
func TestSharedLabelMaps(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "data", "label_maps")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the shared data are not here: ", err)
	}
	for _, f := range []string{"head/training_seg_07.nii.gz", "brain/brain2_labels.nii.gz"} {
		a, err := ReadAnatomy(filepath.Join(root, f))
		require.NoError(t, err)
		n := 0
		for _, v := range a.voxels {
			if v&brainBit != 0 {
				n++
			}
		}
		require.InDelta(t, 1.4e6, n, 4e5, f)
		o := DefaultHeads()
		o.SpacingMM = 4
		h := o.Draw(augment.NewStream(1), a, [3]int{40, 48, 40})
		sum := float32(0)
		for _, b := range h.Brain {
			sum += b
		}
		require.Greater(t, sum, float32(4000), f)
	}
}

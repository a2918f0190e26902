package prepare

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/prepare/atlas"
	"voxgrad/volume"
)

// Pairs of the kinds that scanners and patients make: thick slices, fields of view that end in the head, much disease.
func TestRunOfKindsOfPairs(t *testing.T) {
	p := head(t, 3)
	for n, kind := range []struct {
		name   string
		size   [3]int
		voxel  [3]float64
		change func(a, b *volume.Volume) (*volume.Volume, *volume.Volume)
	}{
		{"slices of 5 mm, odd sizes", [3]int{121, 127, 29}, [3]float64{1, 1, 5}, nil},
		{"bottom and top cut off", [3]int{120, 125, 62}, [3]float64{1, 1, 1.5}, func(a, b *volume.Volume) (*volume.Volume, *volume.Volume) {
			return slicesOf(a, 0, a.Size[2]*7/8), slicesOf(b, b.Size[2]/5, b.Size[2])
		}},
		{"half of one", [3]int{120, 125, 62}, [3]float64{1, 1, 1.5}, func(a, b *volume.Volume) (*volume.Volume, *volume.Volume) {
			return a, slicesOf(b, b.Size[2]/2, b.Size[2])
		}},
		{"50 ml of new lesions", [3]int{120, 125, 62}, [3]float64{1.6, 1.6, 3.2}, nil},
	} {
		if testing.Short() && n > 0 {
			break
		}
		t.Run(kind.name, func(t *testing.T) {
			large := kind.name == "50 ml of new lesions"
			truth := drawn(rng.New(uint64(20+n)), 20, 25)
			p := p
			if large { // of a person's size; what is measured in it must not change with a field that is rightly taken out
				o := volume.DefaultPhantom(3)
				o.Spacing, o.Bias, o.ShiftMM, o.TurnDeg = [3]float64{1.6, 1.6, 1.6}, volume.Range{}, 0, 0
				var err error
				if p, err = volume.NewPhantom(o); err != nil {
					t.Fatal(err)
				}
			}
			second := p.Time2.Like()
			copy(second.Data, p.Time2.Data)
			lesion := volume.NewMask(second.Grid)
			if large { // two balls of 18 mm
				for x := range lesion.Data {
					i, j, k := float64(x%second.Size[0])-34, float64(x/second.Size[0]%second.Size[1])-60, float64(x/second.Size[0]/second.Size[1])-52
					if r := j*j + k*k; (r+i*i < 11*11 || r+(i-30)*(i-30) < 11*11) && p.BrainMask.Data[x] {
						lesion.Data[x] = true
						second.Data[x] *= 1.4
					}
				}
				require.Greater(t, ml(lesion), 40.0)
			}
			a, b := p.Time1, moveTo(second, truth, kind.size, kind.voxel)
			for x, f := range b.Data { // the spline's ringing in what was stripped
				if f < 0.05 {
					b.Data[x] = 0
				}
			}
			if kind.change != nil {
				a, b = kind.change(a, b)
			}
			got, err := Run(context.Background(), Input{Times: []*volume.Volume{a, b}}, inPlace())
			require.NoError(t, err)
			require.Less(t, apart(truth, got.ToScan[1].Mul(got.ToScan[0].Inverse()), brainPoints(p.BrainMask)), 0.5*p.Time1.Spacing()[0])

			// What one of the scans alone shows is told of, in ml.
			all, both := 0, 0
			for x, in := range p.BrainMask.Data {
				if !in {
					continue
				}
				q := p.BrainMask.World(float64(x%p.BrainMask.Size[0]), float64(x/p.BrainMask.Size[0]%p.BrainMask.Size[1]), float64(x/p.BrainMask.Size[0]/p.BrainMask.Size[1]))
				all++
				if inside(a.Grid, q) && inside(b.Grid, truth.Apply(q)) {
					both++
				}
			}
			if lost := 1 - float64(both)/float64(all); lost > 0.02 {
				require.NotNil(t, got.Record.Missed)
				require.InDelta(t, lost, got.Record.Missed.Share, 0.03)
				require.InDelta(t, lost*ml(p.BrainMask), got.Record.Missed.ML, 0.03*ml(p.BrainMask))
				require.Regexp(t, `\d+ ml of brain \(\d+ % of what either shows\) are in one of them alone`, strings.Join(got.Record.Warnings, "\n"))
			} else {
				require.Nil(t, got.Record.Missed)
			}
			if !large {
				return
			}
			// The lesions are as bright against the tissue around them as they were, within 3 %.
			there := lesion.ResampleThrough(got.Times[0].Grid, got.ToScan[0])
			was := volume.ResampleThrough(second, got.Times[0].Grid, got.ToScan[0], volume.Linear, 0)
			brain := p.BrainMask.ResampleThrough(got.Times[0].Grid, got.ToScan[0])
			require.InEpsilon(t, lesionContrast(t, was, there, brain), lesionContrast(t, got.Times[1], there, brain), 0.03)
		})
	}
}

// inside reports whether a point is in a field of view.
func inside(g volume.Grid, p [3]float64) bool {
	for d, at := range g.Affine.Inverse().Apply(p) {
		if at < -0.5 || at > float64(g.Size[d])-0.5 {
			return false
		}
	}
	return true
}

// What both scans show of the atlas' brain, not what each shows.
func TestSeenIsInAllScans(t *testing.T) {
	whole := atlas.FLAIR()
	cut := whole.Size[2] * 4 / 10
	lower, upper := slicesOf(whole, 0, whole.Size[2]-cut), slicesOf(whole, cut, whole.Size[2])
	one := func(v *volume.Volume) float64 { return seen([]*volume.Volume{v}, []volume.Transform{volume.Identity}) }
	require.InDelta(t, 1, one(whole), 1e-9)
	both := seen([]*volume.Volume{lower, upper}, []volume.Transform{volume.Identity, volume.Identity})
	require.InDelta(t, one(lower)+one(upper)-1, both, 1e-9)
	require.Less(t, both, min(one(lower), one(upper))-0.1)
	blank := whole.Like() // as where a part of a scan was taken out, on the same grid
	copy(blank.Data, whole.Data[:len(lower.Data)])
	require.InDelta(t, one(lower), one(blank), 0.03)
}

// A mask of one scan that reaches beyond the other ends where that does.
func TestBrainEndsWithTheScans(t *testing.T) {
	p := head(t, 3)
	part := slicesOf(p.Time2, 0, p.Time2.Size[2]/2)
	got, err := Run(context.Background(), Input{Times: []*volume.Volume{p.Time1, part}, Brain: p.BrainMask, Between: &volume.Transform{{1}, {0, 1}, {0, 0, 1}}}, Settings{Strip: Auto, Register: Auto, Atlas: None})
	require.NoError(t, err)
	end := part.World(0, 0, float64(part.Size[2]))[2]
	for x, in := range got.Brain.Data {
		if z := got.Brain.World(0, 0, float64(x/got.Brain.Size[0]/got.Brain.Size[1]))[2]; in && z > end {
			t.Fatalf("brain at %g mm, the second scan ends at %g", z, end)
		}
	}
	require.NotNil(t, got.Record.Missed)
	require.InDelta(t, ml(p.BrainMask)-got.Record.BrainML, got.Record.Missed.ML, 0.08*ml(p.BrainMask))
}

// slicesOf is the slices from lo to hi of a scan.
func slicesOf(v *volume.Volume, lo, hi int) *volume.Volume {
	g := v.Grid
	at := v.World(0, 0, float64(lo))
	for d := range 3 {
		g.Affine[d][3] = at[d]
	}
	g.Size[2] = hi - lo
	return &volume.Volume{Grid: g, Data: v.Data[lo*v.Size[0]*v.Size[1] : hi*v.Size[0]*v.Size[1]], Path: v.Path}
}

// The atlas itself, moved and stretched: its likelihood of white matter comes back where the scan has it.
func TestWhiteMatterOfTheAtlas(t *testing.T) {
	if testing.Short() {
		t.Skip("registers a whole head twice")
	}
	truth := volume.Transform{{1.04, 0.1, 0, 6}, {-0.1, 1.02, 0.05, -9}, {0, -0.05, 0.97, 12}} // from the atlas to the scan
	g := atlas.FLAIR().Grid
	scan := volume.ResampleThrough(atlas.FLAIR(), g, truth.Inverse(), volume.Linear, 0)
	brain := atlas.Brain().Above(0.5).ResampleThrough(g, truth.Inverse())
	want := func(p *volume.Mask, t volume.Transform) *volume.Volume {
		out := volume.ResampleThrough(atlas.Likelihood(atlas.WhiteMatter), p.Grid, t, volume.Linear, 0)
		for x, in := range p.Data {
			if !in {
				out.Data[x] = 0
			}
		}
		return out
	}
	white, err := WhiteMatter(scan, brain)
	require.NoError(t, err)
	require.Less(t, rms(white, want(brain, truth.Inverse())), 0.05)
	s := Defaults()
	s.Atlas, s.Bias = Rigid, false
	got, err := Run(context.Background(), Input{Times: []*volume.Volume{scan}, Brain: brain}, s)
	require.NoError(t, err)
	require.Less(t, rms(got.White, want(got.Brain, truth.Inverse().Mul(got.ToScan[0]))), 0.05)
	require.Empty(t, got.Record.Warnings)
}

// A scan whose header does not say where its axes point, and which does not fit the atlas as they are taken.
func TestAnUnorientedScanThatDoesNotFitIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bare.nii")
	require.NoError(t, volume.Write(path, volume.New(volume.Grid{Size: [3]int{4, 4, 4}, Affine: volume.Identity}), volume.Float32))
	said, err := volume.Read(path)
	require.NoError(t, err)
	require.True(t, said.Oriented())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	copy(b[252:256], bytes.Repeat([]byte{0}, 4)) // qform_code and sform_code
	require.Equal(t, uint32(348), binary.LittleEndian.Uint32(b))
	require.NoError(t, os.WriteFile(path, b, 0o600))
	bare, err := volume.Read(path)
	require.NoError(t, err)
	require.False(t, bare.Oriented())

	poor := AtlasRegistered{Correlation: 0.13}
	_, err = poor.doubt([]*volume.Volume{said, bare})
	require.ErrorContains(t, err, "bare.nii: its header has neither qform nor sform")
	require.ErrorAs(t, err, new(*AtlasError))
	warning, err := poor.doubt([]*volume.Volume{said})
	require.NoError(t, err)
	require.Contains(t, warning, "less well")
	good := AtlasRegistered{Correlation: 0.32}
	warning, err = good.doubt([]*volume.Volume{bare})
	require.NoError(t, err)
	require.Empty(t, warning)
}

// Scans made of the atlas' tissues in the contrasts of FLAIR, T2 and T1.
func TestOtherContrastsAreToldOf(t *testing.T) {
	made := func(white, cortex, deep, fluid float32) *volume.Volume {
		v := atlas.FLAIR().Like()
		for tissue, value := range map[atlas.Tissue]float32{atlas.WhiteMatter: white, atlas.Cortex: cortex, atlas.DeepGrey: deep, atlas.Ventricles: fluid, atlas.CSF: fluid} {
			for x, p := range atlas.Likelihood(tissue).Data {
				v.Data[x] += value * p
			}
		}
		return v
	}
	for _, kind := range []struct {
		white, cortex, deep, fluid float32
		said                       string
		sure                       bool
	}{
		{300, 380, 330, 90, "", false},
		{300, 420, 380, 900, "fluid in the ventricles is 3.00 times as bright as white matter, in a FLAIR below 1.05: it looks T2-weighted", true},
		{300, 350, 330, 360, "fluid in the ventricles is 1.20 times as bright as white matter, in a FLAIR below 1.05: is it another kind", false},
		{500, 340, 400, 120, "cortex is 0.68 times as bright as white matter, in a FLAIR above 0.85: it looks T1-weighted", true},
		{500, 415, 450, 120, "cortex is 0.83 times as bright as white matter, in a FLAIR above 0.85: is it another kind of scan, such as T1?", false},
	} {
		c := contrast(made(kind.white, kind.cortex, kind.deep, kind.fluid), volume.Identity)
		require.NotNil(t, c)
		require.InDelta(t, kind.cortex/kind.white, c.Cortex, 0.01)
		said, sure := c.Unlike("scan.nii.gz")
		require.Equal(t, kind.sure, sure)
		if kind.said == "" {
			require.Empty(t, said)
		} else {
			require.Contains(t, said, "scan.nii.gz: the "+kind.said)
		}
	}
}

// A bias field of ±40 % makes a FLAIR no T1, and a T1 no FLAIR.
func TestContrastsInBiasFields(t *testing.T) {
	for _, cortex := range []float64{1.2, 0.7} {
		v := atlas.FLAIR().Like()
		for tissue, value := range map[atlas.Tissue]float64{atlas.WhiteMatter: 400, atlas.Cortex: 400 * cortex, atlas.DeepGrey: 430, atlas.Ventricles: 120, atlas.CSF: 120} {
			for x, p := range atlas.Likelihood(tissue).Data {
				v.Data[x] += float32(value) * p
			}
		}
		for axis := range 3 {
			for _, share := range []float64{0.4, -0.4} {
				field := v.Like()
				field.Data = slices.Clone(v.Data)
				for x := range field.Data {
					at := [3]int{x % v.Size[0], x / v.Size[0] % v.Size[1], x / v.Size[0] / v.Size[1]}[axis]
					field.Data[x] *= float32(1 + share*(2*float64(at)/float64(v.Size[axis]-1)-1))
				}
				c := contrast(field, volume.Identity)
				require.InDelta(t, cortex, c.Cortex, 0.03, "axis %d, %g", axis, share)
				_, sure := c.Unlike("scan.nii.gz")
				require.Equal(t, cortex < 1, sure)
			}
		}
	}
}

// Half of a head cannot be placed; what the atlas' registration found is held against each bound.
func TestTooLittleOfAHeadIsToldOf(t *testing.T) {
	flair := atlas.FLAIR()
	part := slicesOf(flair, flair.Size[2]*6/10, flair.Size[2])
	part.Path = "part.nii.gz"
	brain := &volume.Mask{Grid: part.Grid, Data: atlas.Brain().Above(0.5).Data[len(flair.Data)-len(part.Data):]}
	_, err := Run(context.Background(), Input{Times: []*volume.Volume{part}, Brain: brain}, Defaults())
	require.ErrorAs(t, err, new(*AtlasError))
	require.ErrorContains(t, err, "part.nii.gz")
	require.ErrorContains(t, err, "--atlas none")
	good := AtlasRegistered{ToScan: volume.Identity, Correlation: 0.35, Overlap: 0.9}
	require.NoError(t, good.judge("a scan", true))
	for said, bad := range map[string]AtlasRegistered{
		"30 % of the head in both":                {ToScan: volume.Identity, Correlation: 0.35, Overlap: 0.3},
		"local correlation 0.11":                  {ToScan: volume.Identity, Correlation: 0.11, Overlap: 0.9},
		"its volume changes by a factor of 0.25,": {ToScan: volume.Transform{{4}, {0, 1}, {0, 0, 1}}, Correlation: 0.35, Overlap: 0.9},
	} {
		require.ErrorContains(t, bad.judge("a scan", true), said)
	}
}

package prepare

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// raw is a pair as two scanners made it: the second time point moved, on other voxels.
func raw(t testing.TB) (p *volume.Phantom, b *volume.Volume, truth volume.Transform) {
	p = head(t, 3)
	truth = drawn(rng.New(11), 25, 30)
	b = moveTo(p.Time2, truth, [3]int{120, 125, 50}, [3]float64{1, 1, 2.5})
	for x, f := range b.Data { // the spline's ringing in what was stripped
		if f < 0.05 {
			b.Data[x] = 0
		}
	}
	p.Time1.Path, b.Path = "one.nii.gz", "two.nii.gz"
	return p, b, truth
}

func inPlace() Settings {
	s := Defaults()
	s.Atlas = None // phantoms are no heads of the atlas
	return s
}

func TestRunPair(t *testing.T) {
	p, b, truth := raw(t)
	got, err := Run(context.Background(), Input{Times: []*volume.Volume{p.Time1, b}}, inPlace())
	require.NoError(t, err)
	require.Len(t, got.Record.Warnings, 2, "phantoms are small")
	for n, file := range []string{"one.nii.gz", "two.nii.gz"} {
		require.Regexp(t, file+`: the brain mask \(stripped\) has \d+ ml, brains of adults 900 to 2000`, got.Record.Warnings[n])
	}
	require.Equal(t, "found", got.Record.Times.How)
	require.Equal(t, "stripped", got.Record.Scans[1].Brain)
	require.Less(t, apart(truth, got.ToScan[1].Mul(got.ToScan[0].Inverse()), brainPoints(p.BrainMask)), 0.4)
	require.Equal(t, "RAS", got.Times[0].Affine.Codes())
	require.Equal(t, [3]float64{1, 1, 1}, got.Times[0].Affine.Spacing())
	require.NoError(t, volume.SameSpace(got.Times[0], got.Times[1]))
	require.NoError(t, volume.SameSpace(got.Times[0], got.Brain))
	require.InDelta(t, ml(p.BrainMask), ml(got.Brain), 0.05*ml(p.BrainMask))
	for n, f := range got.Fields {
		require.NoError(t, volume.SameSpace(got.Times[0], f))
		require.Positive(t, got.Record.Scans[n].Bias)
	}
	require.Positive(t, got.Record.Times.Ratio)

	// What is brain in the prepared space is brain in the scan.
	back := got.Brain.ResampleThrough(p.Time1.Grid, got.ToScan[0].Inverse())
	both, n := 0, 0
	for x, in := range p.BrainMask.Data {
		if in {
			n++
			if back.Data[x] {
				both++
			}
		}
	}
	require.Greater(t, float64(both)/float64(n), 0.94)

	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, got.Write(dir))
	for _, name := range Files(2) {
		require.FileExists(t, filepath.Join(dir, name))
	}
	to, err := volume.ReadITK(filepath.Join(dir, "prepared_to_time02.txt"))
	require.NoError(t, err)
	requireNear(t, got.ToScan[1], to, 1e-12)
	from, err := volume.ReadITK(filepath.Join(dir, "time02_to_prepared.txt"))
	require.NoError(t, err)
	requireNear(t, volume.Identity, from.Mul(to), 1e-9)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(Files(2)), "nothing else is written")

	// What this preparation does not have goes with the record that it stood for.
	less := *got
	less.Fields = nil
	require.NoError(t, less.Write(dir))
	require.NoFileExists(t, filepath.Join(dir, "bias_time01.nii.gz"))
	require.NoFileExists(t, filepath.Join(dir, "bias_time02.nii.gz"))
	require.FileExists(t, filepath.Join(dir, "brainmask.nii.gz"))
	other := t.TempDir() // of somebody else
	require.NoError(t, os.WriteFile(filepath.Join(other, "bias_time01.nii.gz"), nil, 0o666))
	require.NoError(t, less.Write(other))
	require.FileExists(t, filepath.Join(other, "bias_time01.nii.gz"))
}

func TestRunObeysWhatIsGiven(t *testing.T) {
	p, b, truth := raw(t)
	in := Input{Times: []*volume.Volume{p.Time1, b}, Brain: p.BrainMask, Between: &truth}
	got, err := Run(context.Background(), in, inPlace())
	require.NoError(t, err)
	requireNear(t, truth, got.ToScan[1].Mul(got.ToScan[0].Inverse()), 1e-9)
	require.Equal(t, "given", got.Record.Times.How)
	require.Equal(t, "given", got.Record.Scans[0].Brain)
	require.Equal(t, "none", got.Record.Scans[1].Brain)

	in = Input{Times: []*volume.Volume{p.Time1, p.Time2}}
	asTheyAre := inPlace()
	asTheyAre.Bias = false
	got, err = Run(context.Background(), in, asTheyAre)
	require.NoError(t, err)
	require.Equal(t, "one grid", got.Record.Times.How)
	require.Equal(t, p.Time1.Data, got.Times[0].Data, "a scan on a 1 mm grid of its own is not interpolated")
	register, strip := in.Needs()
	require.False(t, register || strip)
	register, strip = Input{Times: []*volume.Volume{p.Time1, b}}.Needs()
	require.True(t, register)
	require.False(t, strip)
}

// Time points that are not registered here are held against each other where they are, or where the transform that is given puts them.
func TestTimePointsThatAreTakenWhereTheyAre(t *testing.T) {
	p, b, truth := raw(t)
	s := inPlace()
	s.Bias = false
	run := func(b *volume.Volume, between *volume.Transform) (*Prepared, error) {
		return Run(context.Background(), Input{Times: []*volume.Volume{p.Time1, b}, Between: between}, s)
	}
	got, err := run(p.Time2, nil)
	require.NoError(t, err)
	require.Greater(t, got.Record.Times.Correlation, sureHead)
	got, err = Run(context.Background(), Input{Times: []*volume.Volume{p.Time1, p.Time2}, Brain: p.BrainMask}, s) // of one scan alone
	require.NoError(t, err)
	require.Greater(t, got.Record.Times.Correlation, sureHead)
	got, err = run(b, &truth)
	require.NoError(t, err)
	require.Greater(t, got.Record.Times.Correlation, sureHead)
	inverse := truth.Inverse()
	_, err = run(b, &inverse)
	require.ErrorContains(t, err, "one.nii.gz and ")
	require.ErrorContains(t, err, "match with the inverse of the transform between them")

	other := p.OtherContrast()
	other.Path = "other.nii.gz"
	_, err = run(other, nil)
	var none *MatchError
	require.ErrorAs(t, err, &none)
	require.ErrorContains(t, err, "one.nii.gz and other.nii.gz do not match where they are: local correlation")
	doubts := func(got *Prepared, err error) string {
		require.NoError(t, err)
		return strings.Join(got.Record.Warnings, "\n")
	}
	identity := volume.Identity
	require.Contains(t, doubts(run(other, &identity)), "do not match where they are", "what is given is taken")
	s.Register = None
	require.Contains(t, doubts(run(other, nil)), "do not match where they are", "what is left out is left out")

	for name, bad := range map[string]volume.Transform{
		"scaled":   {{1.02, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}},
		"sheared":  {{1, 0.05, 0, 3}, {0, 1, 0, 0}, {0, 0, 1, 0}},
		"mirrored": {{-1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}},
	} {
		_, err := run(b, &bad)
		require.ErrorContains(t, err, "the transform between the time points is not rigid", name)
	}
	rounded := truth // as a file of six digits has it
	for r := range 3 {
		for c := range 4 {
			rounded[r][c] = math.Round(rounded[r][c]*1e6) / 1e6
		}
	}
	require.NoError(t, Input{Times: []*volume.Volume{p.Time1, b}, Between: &rounded}.Check())
}

func TestTheSameImageTwiceIsToldOf(t *testing.T) {
	p, b, _ := raw(t)
	copied := *p.Time1
	copied.Path = "copy.nii.gz"
	got, err := Run(context.Background(), Input{Times: []*volume.Volume{p.Time1, &copied}}, inPlace())
	require.NoError(t, err)
	require.NotNil(t, got.Fields[1])
	require.Equal(t, "copy.nii.gz", got.Times[1].Path, "what is told of a prepared scan names its file")
	require.Len(t, got.Record.Warnings, 3, "and that the phantom is small, twice")
	require.Contains(t, got.Record.Warnings[0], "copy.nii.gz hold the same image")
	require.Empty(t, Input{Times: []*volume.Volume{p.Time1, b}}.Twins())
	require.Empty(t, Input{Times: []*volume.Volume{p.Time1, p.Time2}}.Twins())
	require.Empty(t, Input{Times: []*volume.Volume{p.Time1}}.Twins())
}

func TestBadInputIsNamed(t *testing.T) {
	p, b, _ := raw(t)
	run := func(in Input) error {
		_, err := Run(context.Background(), in, inPlace())
		require.Error(t, err)
		return err
	}
	pair := func(a, b *volume.Volume) Input { return Input{Times: []*volume.Volume{a, b}} }
	cut := func(v *volume.Volume, slices int) *volume.Volume {
		g := v.Grid
		g.Size[2] = slices
		return &volume.Volume{Grid: g, Data: v.Data[:g.Len()], Path: "cut.nii.gz"}
	}

	other := head(t, 8).Time1
	other.Path = "other.nii.gz"
	other.Affine[0][3] += 13
	require.ErrorContains(t, run(pair(p.Time1, other)), "one.nii.gz and other.nii.gz do not match: local correlation")

	flipped := *b
	flipped.Affine = volume.Affine{{-1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}.Mul(b.Affine)
	require.ErrorContains(t, run(pair(p.Time1, &flipped)), "match with left and right of one exchanged")

	empty := volume.New(p.Time1.Grid)
	empty.Path = "empty.nii.gz"
	require.ErrorContains(t, run(pair(p.Time1, empty)), "empty.nii.gz: the image is empty: all voxels are 0")
	require.ErrorContains(t, run(Input{Times: []*volume.Volume{cut(p.Time1, 1)}}), "cut.nii.gz: a field of view of 96 × 112 × 1 mm in 96 × 112 × 1 voxels")
	wide := cut(p.Time1, 20)
	wide.Affine = volume.Affine{{10, 0, 0, 0}, {0, 10, 0, 0}, {0, 0, 10, 0}}.Mul(wide.Affine)
	require.ErrorContains(t, run(Input{Times: []*volume.Volume{wide}}), "cut.nii.gz: a field of view of 960 × 1120 × 200 mm, of a head at most 800 mm")
	require.ErrorContains(t, run(Input{}), "0 scans")

	shifted := &volume.Mask{Grid: p.BrainMask.Grid, Data: p.BrainMask.Data, Path: "mask.nii.gz"}
	shifted.Affine[1][3] += 4
	in := pair(p.Time1, b)
	in.Brain = shifted
	require.ErrorContains(t, run(in), "mask.nii.gz are not in the same space")
	in.Brain = volume.NewMask(p.Time1.Grid)
	require.ErrorContains(t, run(in), "the brain mask is empty")

	holed := p.Time1.Like()
	copy(holed.Data, p.Time1.Data)
	holed.Path = "holed.nii.gz"
	brain, err := Stripped(p.Time1)
	require.NoError(t, err)
	for x := range holed.Data {
		if !brain.Data[x] {
			holed.Data[x] = float32(math.NaN()) // a background that some programs write
		}
	}
	got, err := Run(context.Background(), Input{Times: []*volume.Volume{holed}}, inPlace())
	require.NoError(t, err)
	require.NoError(t, got.Times[0].CheckFinite())
	holed.Data[holed.Index(48, 56, 60)] = float32(math.NaN())
	require.ErrorContains(t, run(Input{Times: []*volume.Volume{holed}, Brain: p.BrainMask}), "holed.nii.gz: 1 voxels inside the brain are NaN")

	scores := p.Time1.Like()
	scores.Path = "scores.nii.gz"
	white := float32(volume.Percentile(p.Time1.Data, 90))
	for x, in := range p.BrainMask.Data {
		if in {
			scores.Data[x] = p.Time1.Data[x]/white - 1
		}
	}
	require.ErrorContains(t, run(Input{Times: []*volume.Volume{scores}, Brain: p.BrainMask}), "scores.nii.gz: the median of the brain is -")

	skull := p.Time1.Like()
	for x, f := range p.Time1.Data {
		skull.Data[x] = f + 20 + float32(x*7919%31)
	}
	skull.Path = "skull.nii.gz"
	require.ErrorContains(t, run(Input{Times: []*volume.Volume{skull}}), "skull.nii.gz still has its skull: a brain mask is needed")

	for x, f := range p.Time1.Data {
		skull.Data[x] = f + 300
	}
	require.ErrorContains(t, run(Input{Times: []*volume.Volume{skull}}), "of the voxels are 300: the background is not 0")
}

func TestRunDenoises(t *testing.T) {
	p, _, _ := raw(t)
	noisy := rician(p.Time1, 40, 4)
	for x, in := range p.BrainMask.Data {
		if !in {
			noisy.Data[x] = 0
		}
	}
	s := inPlace()
	s.Denoise, s.Bias = true, false
	got, err := Run(context.Background(), Input{Times: []*volume.Volume{noisy}, Brain: p.BrainMask}, s)
	require.NoError(t, err)
	require.Positive(t, got.Record.Scans[0].Noise)
	require.Less(t, rms(got.Times[0], p.Time1), 0.8*rms(noisy, p.Time1))
}

// What is doubtful about a scan's mask and field, and what is not.
func TestDoubtsAboutAScan(t *testing.T) {
	for want, r := range map[string]ScanRecord{
		"has 640 ml, brains of adults 900 to 2000":               {Brain: "given", BrainML: 640},
		"the brain mask (extracted) has 2300 ml":                 {Brain: "extracted", BrainML: 2300, Certainty: 0.97},
		"found with a certainty of 0.84 only":                    {Brain: "extracted", BrainML: 1400, Certainty: 0.84},
		"its bias field varies by 60 % (one standard deviation)": {Brain: "given", BrainML: 1400, Bias: 0.6},
	} {
		require.Contains(t, r.doubt("a.nii.gz"), "a.nii.gz: ")
		require.Contains(t, r.doubt("a.nii.gz"), want)
	}
	for _, r := range []ScanRecord{{Brain: None}, {Brain: "given", BrainML: 1400, Bias: 0.2}, {Brain: "extracted", BrainML: 1852, Certainty: 0.95}} {
		require.Empty(t, r.doubt("a.nii.gz"))
	}
}

// What is not 0 is taken for the brain of a stripped scan, with a word where it is hardly one: a slab of it, which the faces of the image cut.
func TestAStrippedSlabIsToldOf(t *testing.T) {
	p, _, _ := raw(t)
	slab := slicesOf(p.Time1, p.Time1.Size[2]/4, 3*p.Time1.Size[2]/4)
	got, err := Run(context.Background(), Input{Times: []*volume.Volume{slab}}, inPlace())
	require.NoError(t, err)
	require.Equal(t, "stripped", got.Record.Scans[0].Brain)
	require.Contains(t, strings.Join(got.Record.Warnings, "\n"), "one.nii.gz: the brain found in it, all that is not 0, is hardly one: it covers up to")
}

package augment_test

import (
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/augment"
	command "voxgrad/cmd/voxgrad/internal/augment"
	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/device/cpu"
	"voxgrad/volume"
)

// augmentScan is a phantom whose file has its axes in the order and direction LPS, and thick slices.
func augmentScan(t *testing.T) (path string, v *volume.Volume) {
	t.Helper()
	o := volume.DefaultPhantom(5)
	o.Size, o.Spacing = [3]int{40, 44, 24}, [3]float64{2, 2, 3}
	p, err := volume.NewPhantom(o)
	require.NoError(t, err)
	g := p.Time1.Grid
	for a := range 2 { // from RAS to LPS
		g.Affine[a][a] *= -1
		g.Affine[a][3] += 2 * float64(g.Size[a]-1)
	}
	require.Equal(t, "LPS", g.Affine.Codes())
	v = volume.FromCanonical(volume.Canonical(p.Time1), g)
	path = filepath.Join(t.TempDir(), "scan.nii.gz")
	require.NoError(t, volume.Write(path, v, volume.Float32))
	v, err = volume.Read(path)
	require.NoError(t, err)
	return path, v
}

func readScan(t *testing.T, path string) *volume.Volume {
	t.Helper()
	v, err := volume.Read(path)
	require.NoError(t, err)
	return v
}

// One transform, on axes of the body, with the header of the scan.
func TestAugmentOneTransform(t *testing.T) {
	in, scan := augmentScan(t)
	out := filepath.Join(t.TempDir(), "o.nii")
	run := func(name, params string, more ...string) *volume.Volume {
		printed := clitest.Succeeds(t, append([]string{"augment", "--in", in, "--out", out, "--transform", name, "--params", params, "--device", "cpu"}, more...)...)
		require.Contains(t, printed, out)
		v := readScan(t, out)
		require.Equal(t, volume.Float32, v.Source.DType())
		require.Equal(t, scan.Affine, v.Affine, "the affine is kept")
		return v
	}
	// The same through the package, on the canonical image.
	direct := func(name, params string) []float32 {
		one, err := augment.Parse(name, []byte(params))
		require.NoError(t, err)
		dev := cpu.New()
		defer dev.Close()
		c := volume.Canonical(scan)
		x := augment.ToDevice(dev, c)
		augment.Recipe{one}.Apply(dev, x)
		return volume.FromCanonical(augment.FromDevice(dev, x, c.Grid), scan.Grid).Data
	}
	for name, params := range map[string]string{
		"blur":       `{"sigma_vox": [1, 0.5, 0.7]}`,
		"axial_mean": `{"size": 4}`,
		"ghosting":   `{"num_ghosts": 4, "axis": 1, "intensity": 0.7, "restore": null}`,
		"noise":      `{"sigma": 3, "seed": 9}`,
		"flip":       `{"axes": [0]}`,
	} {
		require.Equal(t, direct(name, params), run(name, params).Data, name)
	}
	// A mirrored image: x runs along the first axis of the file, whatever its direction.
	flipped := run("flip", `{"axes": [0]}`)
	for i := range 40 {
		require.Equal(t, scan.At(39-i, 20, 12), flipped.At(i, 20, 12))
	}
	turned := run("rot90", `{"axes": [1, 2], "k": 1}`)
	require.Equal(t, [3]int{40, 24, 44}, turned.Size)
	// Motion is in millimetres about the centre unless an affine says otherwise.
	body := run("motion_safe", `{"degrees_lps": [4], "translation_mm_lps": [3], "times": [0.3]}`)
	voxels := run("motion_safe", `{"degrees_lps": [4], "translation_mm_lps": [3], "times": [0.3], "affine_ras": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}`)
	require.NotEqual(t, body.Data, voxels.Data)
	// --normalize changes what noise means: sigma times the peak of the brain.
	brain, err := volume.BrainMask(scan)
	require.NoError(t, err)
	peak, err := volume.KDEScale(scan, brain)
	require.NoError(t, err)
	plain, scaled := run("noise", `{"sigma": 0.05, "seed": 9}`), run("noise", `{"sigma": 0.05, "seed": 9}`, "--normalize", "kde")
	for i := range scan.Data {
		a, b := plain.Data[i]-scan.Data[i], scaled.Data[i]-scan.Data[i]
		require.InDelta(t, float64(a)*peak, b, 1e-4*peak)
	}
	run("noise", `{"sigma": 0.05, "seed": 9}`, "--normalize", "median")
	_, _, warned := clitest.Run(t, "augment", "--in", in, "--out", out, "--transform", "noise", "--params", `{"sigma": 1e-6}`, "--device", "cpu")
	require.Contains(t, warned, "below a thousandth")
}

// The record of the variants gives them back, and the same seed the same files.
func TestAugmentVariants(t *testing.T) {
	in, scan := augmentScan(t)
	dir := t.TempDir()
	out, montage := filepath.Join(dir, "v.nii.gz"), filepath.Join(dir, "m.png")
	args := []string{"augment", "--in", in, "--out", out, "--preset", "default", "--seed", "7", "--count", "4", "--device", "cpu"}
	printed := clitest.Succeeds(t, append(args, "--montage", montage)...)
	require.Equal(t, 4, strings.Count(printed, "\n"))
	text, err := os.ReadFile(filepath.Join(dir, "v.json"))
	require.NoError(t, err)
	var rec command.Record
	require.NoError(t, json.Unmarshal(text, &rec))
	require.Equal(t, "default", rec.Preset)
	require.EqualValues(t, 7, *rec.Seed)
	require.Equal(t, "kde", rec.Normalize)
	require.Len(t, rec.Variants, 4)
	first := map[string][]byte{}
	for n, v := range rec.Variants {
		require.Equal(t, filepath.Join(dir, []string{"v_01.nii.gz", "v_02.nii.gz", "v_03.nii.gz", "v_04.nii.gz"}[n]), v.File)
		dev := cpu.New()
		want, err := command.ApplyRecipe(dev, v.Recipe.Scaled(rec.Unit), volume.Canonical(scan), scan)
		require.NoError(t, err)
		require.NoError(t, dev.Close())
		got := readScan(t, v.File)
		require.Equal(t, scan.Grid, got.Grid)
		require.Equal(t, want.Data, got.Data)
		first[v.File], err = os.ReadFile(v.File)
		require.NoError(t, err)
	}
	require.FileExists(t, montage)
	clitest.Succeeds(t, append(args, "--threads", "1")...)
	for file, want := range first {
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, want, got, "the same seed gives the same file")
	}
	again := clitest.Succeeds(t, append(args, "--json", "--keep-orientation", "--record", filepath.Join(dir, "r.json"))...)
	require.NoError(t, json.Unmarshal([]byte(again), &rec))
	for _, v := range rec.Variants {
		for _, step := range v.Recipe {
			require.NotEqual(t, "orient", step.Name())
		}
	}
	require.FileExists(t, filepath.Join(dir, "r.json"))
}

// The eleven transforms of the paper, one variant each.
func TestAugmentEach(t *testing.T) {
	in, _ := augmentScan(t)
	dir := t.TempDir()
	montage := filepath.Join(dir, "m.png")
	printed := clitest.Succeeds(t, "augment", "--in", in, "--out", filepath.Join(dir, "e.nii.gz"), "--preset", "default", "--each", "--montage", montage, "--device", "cpu")
	for _, name := range []string{"bias field", "motion", "ghosting", "spike", "blur", "edge enhancement", "mean of", "anisotropy", "noise", "flip", "rotation"} {
		require.Equal(t, 1, strings.Count(printed, "  "+name), "%s in\n%s", name, printed)
	}
	f, err := os.Open(montage)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	require.Greater(t, img.Bounds().Dx(), 4*200, "four columns")
}

func TestAugmentRefuses(t *testing.T) {
	in, scan := augmentScan(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "never.nii.gz")
	other := filepath.Join(dir, "other.nii.gz")
	small := volume.New(volume.Grid{Size: [3]int{3, 3, 3}, Affine: volume.Identity})
	require.NoError(t, volume.Write(other, small, volume.Uint8))
	skull := filepath.Join(dir, "skull.nii.gz")
	for i := range scan.Data {
		scan.Data[i] += 100
	}
	require.NoError(t, volume.Write(skull, scan, volume.Float32))
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{2, "give either --transform or --preset", nil},
		{2, "give either --transform or --preset", []string{"--transform", "blur", "--preset", "default"}},
		{2, `there is no transform "blurry"`, []string{"--transform", "blurry"}},
		{2, "a standard deviation must be above 0", []string{"--transform", "blur", "--params", `{"sigma_vox": 0}`}},
		{2, "axis 3: must be 0, 1 or 2", []string{"--transform", "axial_mean", "--params", `{"size": 2, "axis": 3}`}},
		{2, `no parameter "sigma"`, []string{"--transform", "blur", "--params", `{"sigma": 1}`}},
		{2, "not JSON", []string{"--transform", "blur", "--params", `{"sigma_vox": `}},
		{1, "no voxel is left", []string{"--transform", "anisotropy_zoom", "--params", `{"axis": 0, "factor": 1000}`}},
		{2, `no augmentation preset "some"`, []string{"--preset", "some"}},
		{2, "--count 0: from 1", []string{"--preset", "default", "--count", "0"}},
		{2, "at most 60 variants", []string{"--preset", "default", "--count", "61", "--montage", filepath.Join(dir, "never.png")}},
		{2, "--seed goes with --preset", []string{"--transform", "flip", "--params", `{"axes": [0]}`, "--seed", "3"}},
		{2, "--params goes with --transform", []string{"--preset", "default", "--params", "{}"}},
		{2, "leave out --count", []string{"--preset", "default", "--each", "--count", "3"}},
		{2, "no transform in the preset none", []string{"--preset", "none", "--each"}},
		{2, `--normalize "z"`, []string{"--preset", "default", "--normalize", "z"}},
		{2, "the name must end in .nii or .nii.gz", []string{"--preset", "default", "--out", "x.png"}},
		{1, "other.nii.gz", []string{"--preset", "default", "--brainmask", other}},
		{1, "other.nii.gz", []string{"--preset", "default", "--lesions", other}},
		{1, "no such file", []string{"--preset", "default", "--in", filepath.Join(dir, "missing.nii.gz")}},
		{1, "give --brainmask, or --normalize none", []string{"--preset", "default", "--in", skull}},
	} {
		status, printed, errs := clitest.Run(t, append([]string{"augment", "--in", in, "--out", out, "--device", "cpu"}, c.args...)...)
		require.Equal(t, c.status, status, "%v: %s", c.args, errs)
		require.Contains(t, errs, c.want, "%v", c.args)
		require.NotContains(t, errs, "panic")
		require.Empty(t, printed)
	}
	left, err := filepath.Glob(filepath.Join(dir, "never*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAugmentHelpNamesAllTransforms(t *testing.T) {
	help := clitest.Succeeds(t, "augment", "--help")
	for _, name := range augment.Transforms() {
		require.Contains(t, help, "\n  "+name+" ")
	}
}

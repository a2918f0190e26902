package synth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/cmd/voxgrad/internal/root"
	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/prepare/atlas"
	"voxgrad/volume"
)

// networks are tiny untrained networks, as weights files.
func networks(t *testing.T, dir string) (flags []string) {
	t.Helper()
	return networksFor(t, dir, models.Preparation{}, models.Preparation{})
}

// networksFor are networks whose files say how their input was prepared.
func networksFor(t *testing.T, dir string, inpainter, generator models.Preparation) (flags []string) {
	t.Helper()
	dev := cpu.New()
	defer dev.Close()
	for _, kind := range []string{models.Inpainter, models.Generator} {
		c := models.Default(kind)
		c.Width = 2
		net, err := models.New(dev, c, 7)
		require.NoError(t, err)
		net.Preparation = map[string]models.Preparation{models.Inpainter: inpainter, models.Generator: generator}[kind]
		path := filepath.Join(dir, kind+".safetensors")
		require.NoError(t, models.Save(net, path, nil))
		net.Free()
		flags = append(flags, "--"+kind, path)
	}
	return flags
}

// synthSource is a folder with a phantom as an int16 scan with thick slices, its
// lesions, brain mask and a map of its brain on another grid.
func synthSource(t *testing.T, dir string) (flags []string) {
	t.Helper()
	o := volume.DefaultPhantom(41)
	o.Size, o.Spacing = [3]int{40, 44, 30}, [3]float64{0.9, 0.9, 1.5}
	o.Unchanged = volume.Range{Min: 6, Max: 6}
	p, err := volume.NewPhantom(o)
	require.NoError(t, err)
	coarse := volume.Grid{Size: [3]int{20, 22, 24}, Affine: p.Time1.Affine}
	for r := range 3 {
		for c := range 3 {
			coarse.Affine[r][c] *= 2
		}
	}
	prior := volume.Resample(p.BrainMask.Volume(), coarse, volume.Linear, 0)
	far := *prior
	far.Affine[0][3] += 300
	for name, f := range map[string]struct {
		v *volume.Volume
		t volume.DType
	}{
		"flair": {p.Time1, volume.Int16}, "lesions": {p.Lesions1.Volume(), volume.Uint8}, "brain": {p.BrainMask.Volume(), volume.Uint8},
		"prior": {prior, volume.Float32}, "far": {&far, volume.Float32}, "empty": {volume.New(p.Time1.Grid), volume.Uint8},
		"small": {volume.New(coarse), volume.Uint8},
	} {
		require.NoError(t, volume.Write(filepath.Join(dir, name+".nii.gz"), f.v, f.t))
	}
	at := func(name string) string { return filepath.Join(dir, name+".nii.gz") }
	return append(networks(t, dir), "--flair", at("flair"), "--lesions", at("lesions"), "--brainmask", at("brain"),
		"--window", "32", "--device", "cpu")
}

func TestSynthWritesPairs(t *testing.T) {
	dir := t.TempDir()
	base := append([]string{"synth", "--generated-min", "2", "--kept", "0.1", "--removed-both", "0.45", "--prior", filepath.Join(dir, "prior.nii.gz")}, synthSource(t, dir)...)
	out := filepath.Join(dir, "one")
	text := clitest.Succeeds(t, append(base, "--out", out, "--seed", "5")...)
	require.Contains(t, text, "generated")
	read := func(folder, name string) *volume.Volume {
		v, err := volume.Read(filepath.Join(folder, name+".nii.gz"))
		require.NoError(t, err)
		return v
	}
	source, lesions, brain := read(dir, "flair"), read(dir, "lesions"), read(dir, "brain")
	var flair, at [2]*volume.Volume
	for n := range 2 {
		flair[n], at[n] = read(out, fmt.Sprintf("flair_time%02d", n+1)), read(out, fmt.Sprintf("lesions_time%02d", n+1))
		require.Equal(t, volume.Int16, flair[n].Source.DType())
		require.NoError(t, volume.SameSpace(source, flair[n]))
	}
	fresh := read(out, "new_lesions")
	// A voxel can differ only near a lesion that was removed (the 1 mm grid reaches a
	// little beyond it) or in one that was generated.
	changed := make([]bool, len(fresh.Data))
	for i := range fresh.Data {
		require.Equal(t, at[1].Data[i] == 1 && at[0].Data[i] == 0, fresh.Data[i] == 1)
		require.False(t, brain.Data[i] == 0 && (at[0].Data[i] > 0 || at[1].Data[i] > 0))
		changed[i] = at[0].Data[i] != lesions.Data[i] || at[1].Data[i] != lesions.Data[i]
	}
	near, err := volume.Dilate(changed, source.Size, source.Spacing(), 4)
	require.NoError(t, err)
	differ := 0
	for i, v := range source.Data {
		for n := range 2 {
			if flair[n].Data[i] != v {
				differ++
				require.True(t, near[i] && brain.Data[i] > 0, "voxel %d, time %d: %g became %g", i, n+1, v, flair[n].Data[i])
			}
		}
	}
	require.Greater(t, differ, 50)

	var record struct {
		Seed    uint64
		Options map[string]any
		Lesions []struct {
			Origin     string
			Time1      bool `json:"present_time01"`
			Time2      bool `json:"present_time02"`
			Voxels     int
			MM3        float64    `json:"mm3"`
			CentroidMM [3]float64 `json:"centroid_mm"`
		}
		Recipes [2][]any `json:"augment_recipes"`
	}
	data, err := os.ReadFile(filepath.Join(out, "record.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &record))
	require.EqualValues(t, 5, record.Seed)
	require.Equal(t, 0.45, record.Options["removed_both"])
	voxels, spacing := 0, source.Spacing()
	for _, l := range record.Lesions {
		if l.Time2 && !l.Time1 {
			voxels += l.Voxels
		}
		require.InDelta(t, float64(l.Voxels)*spacing[0]*spacing[1]*spacing[2], l.MM3, 1e-6)
		c := source.Voxel(l.CentroidMM)
		for a := range c {
			require.True(t, c[a] >= 0 && c[a] < float64(source.Size[a]))
		}
	}
	require.Equal(t, voxels, countVoxels(fresh))
	require.FileExists(t, filepath.Join(out, "pair.png"))

	// The same seed gives the same bytes, on any number of cores; pair 1 of many is
	// the only one of one.
	many := filepath.Join(dir, "many")
	text = clitest.Succeeds(t, append(base, "--out", many, "--seed", "5", "--count", "2", "--threads", "1", "--json")...)
	var records []map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &records))
	require.Len(t, records, 2)
	files, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, files, 7)
	for _, f := range files {
		a, err := os.ReadFile(filepath.Join(out, f.Name()))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(many, "pair001", f.Name()))
		require.NoError(t, err)
		require.True(t, string(a) == string(b), f.Name())
		c, err := os.ReadFile(filepath.Join(many, "pair002", f.Name()))
		require.NoError(t, err)
		require.False(t, string(a) == string(c), f.Name())
	}
}

func countVoxels(m *volume.Volume) (n int) {
	for _, v := range m.Data {
		if v > 0 {
			n++
		}
	}
	return n
}

// With a preset both time points are degraded, each in its own way, and the record
// says how.
// Without a map of its own, a scan that matches the atlas has its white matter from there.
func TestSynthKnowsWhiteMatterFromTheAtlas(t *testing.T) {
	if testing.Short() {
		t.Skip("registers a whole brain to the atlas")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name+".nii.gz") }
	flair, brain := atlas.FLAIR(), atlas.Brain().Above(0.5)
	scan := flair.Like()
	lesion := volume.NewMask(brain.Grid)
	c := scan.Affine.Inverse().Apply([3]float64{25, -20, 25}) // deep white matter
	for x, in := range brain.Data {
		i, j, k := x%scan.Size[0], x/scan.Size[0]%scan.Size[1], x/scan.Size[0]/scan.Size[1]
		if r := math.Hypot(float64(i)-c[0], math.Hypot(float64(j)-c[1], float64(k)-c[2])); r < 3 {
			lesion.Data[x] = true
		}
		if in {
			scan.Data[x] = 500 * flair.Data[x]
		}
	}
	require.NoError(t, volume.Write(at("flair"), scan, volume.Float32))
	require.NoError(t, volume.WriteMask(at("lesions"), lesion))
	require.NoError(t, volume.WriteMask(at("brain"), brain))
	args := append([]string{"synth", "--kept", "1", "--removed-time1", "0", "--removed-time2", "0", "--removed-both", "0", "--generated-min", "2", "--out", filepath.Join(dir, "pair"), "--seed", "3"},
		append(networks(t, dir), "--flair", at("flair"), "--lesions", at("lesions"), "--brainmask", at("brain"), "--window", "32", "--device", "cpu")...)
	clitest.Succeeds(t, args...)
	var record struct {
		White   string `json:"white_matter"`
		Lesions []struct {
			Origin     string
			CentroidMM [3]float64 `json:"centroid_mm"`
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "pair/record.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &record))
	require.Equal(t, "atlas", record.White)
	white := atlas.Likelihood(atlas.WhiteMatter)
	generated := 0
	for _, l := range record.Lesions {
		if l.Origin == "generated" {
			generated++
			p := white.Voxel(l.CentroidMM)
			require.Positive(t, white.Data[white.Index(int(math.Round(p[0])), int(math.Round(p[1])), int(math.Round(p[2])))], "at %v", l.CentroidMM)
		}
	}
	require.Positive(t, generated)
}

func TestSynthAugments(t *testing.T) {
	dir := t.TempDir()
	flags := synthSource(t, dir)
	out := filepath.Join(dir, "out")
	clitest.Succeeds(t, append([]string{"synth", "--out", out, "--augment", "default", "--seed", "2"}, flags...)...)
	source, err := volume.Read(filepath.Join(dir, "flair.nii.gz"))
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(out, "record.json"))
	require.NoError(t, err)
	var record struct {
		Recipes [2][]any `json:"augment_recipes"`
	}
	require.NoError(t, json.Unmarshal(data, &record))
	for n, recipe := range record.Recipes {
		v, err := volume.Read(filepath.Join(out, fmt.Sprintf("flair_time%02d.nii.gz", n+1)))
		require.NoError(t, err)
		require.Equal(t, volume.Float32, v.Source.DType())
		same, sum := 0, 0.0
		for i, x := range v.Data {
			if x == source.Data[i] {
				same++
			}
			sum += math.Abs(float64(x - source.Data[i]))
		}
		require.NotEmpty(t, recipe, "this seed degrades both")
		require.Less(t, same, len(v.Data)*9/10)
	}
}

// The scan is prepared as the weights say.
func TestSynthObeysTheWeights(t *testing.T) {
	dir := t.TempDir()
	args := append([]string{"synth", "--json"}, synthSource(t, dir)...)
	args = args[:len(args)-4] // without --window 32 --device cpu
	p := models.Preparation{Normalize: "median", Interpolation: "linear", Patch: [3]int{24, 24, 24}, Spacing: 1, Axes: "RAS"}
	networksFor(t, dir, p, p)
	run := func(more ...string) (status int, record map[string]any, errs string) {
		out := t.TempDir()
		status, _, errs = clitest.Run(t, append(append(args, "--device", "cpu", "--out", out), more...)...)
		if b, err := os.ReadFile(filepath.Join(out, "record.json")); err == nil {
			require.NoError(t, json.Unmarshal(b, &record))
		}
		return status, record, errs
	}
	status, record, errs := run()
	require.Zero(t, status, errs)
	require.NotContains(t, errs, "contradicts")
	require.Equal(t, "median", record["normalize"])
	require.Equal(t, []any{24.0, 24.0, 24.0}, record["window"])

	status, record, errs = run("--normalize", "kde", "--window", "32")
	require.Zero(t, status, errs)
	require.Contains(t, errs, "normalize is kde, the network was trained with median")
	require.Equal(t, "kde", record["normalize"])
	require.Equal(t, []any{32.0, 32.0, 32.0}, record["window"])

	other := p
	other.Normalize = "none"
	networksFor(t, dir, p, other)
	status, _, errs = run()
	require.Equal(t, 1, status)
	require.Contains(t, errs, "normalize is median and none")

	networksFor(t, dir, p, p)
	status, _, errs = run("--window", "65536x65536x65536")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "memory")
}

func TestSynthRefuses(t *testing.T) {
	dir := t.TempDir()
	flags := synthSource(t, dir)
	at := func(name string) string { return filepath.Join(dir, name+".nii.gz") }
	config := filepath.Join(dir, "synth.toml")
	require.NoError(t, os.WriteFile(config, []byte("kept = 0.4\nkpet = 0.4\n"), 0o666))
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{1, "empty.nii.gz holds no lesion inside the brain", []string{"--lesions", at("empty")}},
		{1, "not in the same space", []string{"--lesions", at("small")}},
		{1, "not in the same space", []string{"--brainmask", at("small")}},
		{1, "far.nii.gz does not overlap with the brain", []string{"--prior", at("far")}},
		{1, "far.nii.gz does not overlap with the brain", []string{"--white-matter", at("far")}},
		{1, "holds a generator; an inpainter is needed", []string{"--inpainter", filepath.Join(dir, "generator.safetensors")}},
		{1, "holds an inpainter; a generator is needed", []string{"--generator", filepath.Join(dir, "inpainter.safetensors")}},
		{1, "no such file", []string{"--flair", at("nowhere")}},
		{1, "no such file", []string{"--shapes", at("nowhere")}},
		{1, "flair.nii.gz: not a binary mask: it holds", []string{"--lesions", at("flair")}},
		{1, "flair.nii.gz: not a binary mask: it holds", []string{"--shapes", at("flair")}},
		{1, "whose shape a generated one could have", []string{"--shapes", at("empty")}},
		{1, "synth.toml: line 2: unknown key kpet", []string{"--config", config}},
		{1, "cannot make the folder", []string{"--out", config}},
		{2, "--out is empty", []string{"--out", ""}},
		{2, "preset", []string{"--augment", "heavy"}},
		{2, "must add up to 1", []string{"--kept", "0.9"}},
		{2, "multiple of 8", []string{"--window", "30"}},
		{2, "--count 0", []string{"--count", "0"}},
	} {
		args := append([]string{"synth", "--out", filepath.Join(dir, "out")}, flags...)
		status, _, errs := clitest.Run(t, append(args, c.args...)...)
		require.Equal(t, c.status, status, errs)
		require.Contains(t, errs, c.want)
		require.NoDirExists(t, filepath.Join(dir, "out"))
	}
}

// What a pair is made of is never written over, also by another name.
func TestSynthKeepsItsInputs(t *testing.T) {
	dir := t.TempDir()
	flags := synthSource(t, dir)
	for name, count := range map[string]string{"lesions_time01.nii.gz": "1", "pair002/flair_time02.nii.gz": "2"} {
		out := filepath.Join(t.TempDir(), "out")
		file := filepath.Join(out, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
		require.NoError(t, os.Link(filepath.Join(dir, "lesions.nii.gz"), file))
		before, err := os.ReadFile(file)
		require.NoError(t, err)
		status, _, errs := clitest.Run(t, append([]string{"synth", "--out", out, "--count", count}, flags...)...)
		require.Equal(t, 2, status)
		require.Contains(t, errs, "--out "+file+" would overwrite what --lesions")
		after, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
}

func TestSynthInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	root := root.New()
	root.SetArgs(append([]string{"synth", "--count", "2", "--out", filepath.Join(dir, "out")}, synthSource(t, dir)...))
	err := root.ExecuteContext(ctx)
	require.ErrorIs(t, err, cli.ErrInterrupted, "exit status 130")
	require.EqualError(t, err, "interrupted after 0 of 2 pairs, which are complete; the same command makes all of them, the same ones")
}

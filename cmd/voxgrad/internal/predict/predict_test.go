package predict_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/volume"
)

// network writes weights that compute a sigmoid of 40·(x − threshold), voxel by voxel, of the
// normalised scan, or of the difference of two; so every right answer is known.
func network(t *testing.T, path, kind string, threshold float64, meta map[string]string) string {
	dev := cpu.New()
	defer func() { require.NoError(t, dev.Close()) }()
	c := models.Default(kind)
	c.Width, c.Up = 1, "trilinear"
	net, err := models.New(dev, c, 1)
	require.NoError(t, err)
	plain := filepath.Join(t.TempDir(), "plain.safetensors")
	require.NoError(t, models.Save(net, plain, nil))
	net.Free()
	f, err := weights.Read(plain)
	require.NoError(t, err)
	centre := map[string]map[int]float32{ // input channel whose centre weight of output 0 is not 0
		"conv1.weight": {0: 1}, "conv2.weight": {0: 1}, "conv10.weight": {0: 1, 4: 1},
	}
	if kind == models.Detector {
		centre["fuse1.weight"] = map[int]float32{0: -1, 2: 1}
	}
	for n, w := range f.Tensors {
		x, err := w.Float32s()
		require.NoError(t, err)
		one := strings.HasSuffix(w.Name, "running_var") || len(w.Shape) == 1 && strings.HasSuffix(w.Name, ".weight")
		for i := range x {
			x[i] = 0
			if one {
				x[i] = 1
			}
		}
		for in, v := range centre[w.Name] {
			x[in*27+13] = v
		}
		switch w.Name {
		case "conv_out.weight":
			x[w.Shape[1]*27+13] = 40
		case "conv_out.bias":
			x[1] = float32(-40 * threshold)
		}
		f.Tensors[n] = weights.Float32(w.Name, w.Shape, x)
	}
	for k, v := range meta {
		f.Meta[k] = v
	}
	require.NoError(t, weights.Write(path, f.Tensors, f.Meta))
	return path
}

var size = [3]int{24, 26, 22}

// cube is a lesion: all voxels up to reach from its centre.
type cube struct {
	at    [3]int
	reach int
}

// scan writes a stripped ball of tissue with bright cubes and returns it, its file and its
// brain.
func scan(t *testing.T, path string, seed uint64, lesions ...cube) (*volume.Volume, *volume.Mask) {
	v := volume.New(volume.Grid{Size: size, Affine: volume.Identity})
	brain := volume.NewMask(v.Grid)
	r := rng.New(seed, "scan")
	for k := range size[2] {
		for j := range size[1] {
			for i := range size[0] {
				d := 0.0
				for a, x := range [3]int{i, j, k} {
					c := float64(size[a]-1) / 2
					d += math.Pow((float64(x)-c)/(c-1), 2)
				}
				if d >= 1 {
					continue
				}
				x := v.Index(i, j, k)
				v.Data[x], brain.Data[x] = float32(100+2*r.Normal()), true
				for _, l := range lesions {
					if abs(i-l.at[0]) <= l.reach && abs(j-l.at[1]) <= l.reach && abs(k-l.at[2]) <= l.reach {
						v.Data[x] = float32(160 + 2*r.Normal())
					}
				}
			}
		}
	}
	require.NoError(t, volume.Write(path, v, volume.Int16))
	return v, brain
}

func abs(n int) int { return max(n, -n) }

// at is a place in a folder.
func at(dir string) func(name string) string {
	return func(name string) string { return filepath.Join(dir, name) }
}

func found(t *testing.T, path string) int {
	m, err := volume.ReadMask(path)
	require.NoError(t, err)
	return m.Count()
}

func TestWhatCountsAsALesion(t *testing.T) {
	in := at(t.TempDir())
	w := network(t, in("w.safetensors"), models.Segmenter, 1.3, nil)
	v, _ := scan(t, in("flair.nii.gz"), 1, cube{[3]int{8, 9, 7}, 2}, cube{[3]int{16, 15, 13}, 1}, cube{[3]int{12, 18, 8}, 0})
	v.Data[v.Index(10+1, 9+3, 7+3)] = 160 // touches the first by a corner
	require.NoError(t, volume.Write(in("flair.nii.gz"), v, volume.Int16))
	segment := func(more ...string) (rows [][]string, labels map[int]int) {
		args := append([]string{"segment", "--patch", "16", "--model", w, "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz"), "--labels", in("l.nii.gz"), "--table", in("t.csv")}, more...)
		clitest.Succeeds(t, args...)
		f, err := os.Open(in("t.csv"))
		require.NoError(t, err)
		defer f.Close()
		rows, err = csv.NewReader(f).ReadAll()
		require.NoError(t, err)
		l, err := volume.Read(in("l.nii.gz"))
		require.NoError(t, err)
		require.Equal(t, v.Grid, l.Grid)
		labels = map[int]int{}
		for _, x := range l.Data {
			labels[int(x)]++
		}
		delete(labels, 0)
		return rows[1:], labels
	}
	agree := func(rows [][]string, labels map[int]int, want ...int) {
		require.Len(t, rows, len(want))
		require.Len(t, labels, len(want))
		for n, voxels := range want {
			require.Equal(t, fmt.Sprint(n+1), rows[n][0])
			require.Equal(t, fmt.Sprint(voxels), rows[n][5])
			require.Equal(t, voxels, labels[n+1])
		}
	}
	rows, labels := segment()
	agree(rows, labels, 125, 27)
	require.Equal(t, 125+27+1+1, found(t, in("m.nii.gz")), "the mask holds every voxel above the threshold")
	rows, labels = segment("--min-lesion-mm3", "0")
	agree(rows, labels, 125, 27, 1, 1)
	rows, labels = segment("--min-lesion-mm3", "27")
	agree(rows, labels, 125)
	rows, labels = segment("--min-lesion-mm3", "0", "--connectivity", "26")
	agree(rows, labels, 126, 27, 1)
	rows, labels = segment("--threshold", "0.999")
	agree(rows, labels, 125, 27)

	// It is said what is not counted, and JSON carries the rule.
	out := clitest.Succeeds(t, "segment", "--patch", "16", "--model", w, "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz"))
	require.Contains(t, strings.Join(strings.Fields(out), " "), "2 pieces of 3 mm³ or less (2 voxels) in the mask are not counted; --min-lesion-mm3 0 counts all")
	var j struct {
		Lesions   []any
		Threshold float64
		Small     int `json:"smaller_pieces"`
	}
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "segment", "--patch", "16", "--model", w, "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz"), "--json")), &j))
	require.Len(t, j.Lesions, 2)
	require.Equal(t, 0.5, j.Threshold)
	require.Equal(t, 2, j.Small)
	for _, bad := range [][]string{{"--connectivity", "8"}, {"--min-lesion-mm3", "-1"}, {"--threshold", "1.5"}, {"--brainmask-threshold", "0.5"}, {"--brainmask-threshold", "NaN", "--brainmask", w}, {"--brainmask-threshold", "Inf", "--brainmask", w}, {"--patch", "12"}} {
		status, _, errs := clitest.Run(t, append([]string{"segment", "--patch", "16", "--model", w, "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz")}, bad...)...)
		require.Equal(t, 2, status, errs)
		require.Contains(t, errs, bad[0][2:])
	}
}

// The same network finds the same lesions without a flag that says how it was trained.
func TestWeightsAreObeyed(t *testing.T) {
	in := at(t.TempDir())
	scan(t, in("flair.nii.gz"), 1, cube{[3]int{8, 9, 7}, 2})
	raw := network(t, in("raw.safetensors"), models.Segmenter, 130, map[string]string{"normalize": "none", "patch": "16x16x16", "threshold": "0.4", "spacing_mm": "1", "axes": "RAS"})
	plain := network(t, in("plain.safetensors"), models.Segmenter, 1.3, nil)
	other := network(t, in("other.safetensors"), models.Segmenter, 1.3, map[string]string{"normalize": "median"})
	coarse := network(t, in("coarse.safetensors"), models.Segmenter, 1.3, map[string]string{"spacing_mm": "2"})
	run := func(args ...string) (int, string) {
		status, _, errs := clitest.Run(t, append([]string{"segment", "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz")}, args...)...)
		return status, errs
	}
	status, errs := run("--model", raw)
	require.Zero(t, status, errs)
	require.NotContains(t, errs, "level=WARN")
	require.Equal(t, 125, found(t, in("m.nii.gz")))

	status, errs = run("--model", raw, "--normalize", "kde")
	require.Zero(t, status, errs)
	require.Contains(t, errs, "normalize is kde, the network was trained with none; the command line is obeyed")
	require.Zero(t, found(t, in("m.nii.gz")))

	status, errs = run("--model", raw, "--model", other)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "raw.safetensors and "+other+" cannot be used together, their inputs are prepared differently: normalize is none and median")
	status, errs = run("--model", plain, "--model", other, "--patch", "16")
	require.Zero(t, status, errs)
	require.Contains(t, errs, "does not say how its input is prepared; it is prepared as")
	status, errs = run("--model", coarse)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "voxels of 2 mm")
	status, _, errs = clitest.Run(t, "weights", "check", coarse)
	require.Equal(t, 1, status, "weights check says what prediction would")
	require.Contains(t, errs, "voxels of 2 mm")
	status, errs = run("--model", plain, "--model", plain, "--patch", "16")
	require.Zero(t, status, errs)
	require.Equal(t, 125, found(t, in("m.nii.gz")))
}

func TestBrainMasks(t *testing.T) {
	in := at(t.TempDir())
	w := network(t, in("w.safetensors"), models.Segmenter, 1.3, nil)
	v, brain := scan(t, in("flair.nii.gz"), 1, cube{[3]int{8, 9, 7}, 2})
	segment := func(more ...string) (int, string) {
		status, _, errs := clitest.Run(t, append([]string{"segment", "--patch", "16", "--model", w, "--out", in("m.nii.gz")}, more...)...)
		return status, errs
	}
	require.NoError(t, volume.WriteMask(in("brain.nii.gz"), brain))
	require.NoError(t, volume.WriteMask(in("flipped.nii.gz"), brain.Resample(volume.Grid{Size: size, Affine: volume.Affine{{-1, 0, 0, 23}, {0, 1, 0, 0}, {0, 0, 1, 0}}})))
	soft := brain.Volume()
	for x := range soft.Data {
		soft.Data[x] *= 0.8
	}
	require.NoError(t, volume.Write(in("soft.nii.gz"), soft, volume.Float32))
	near := brain.Volume()
	for x := range near.Data {
		near.Data[x] *= 0.9999
	}
	require.NoError(t, volume.Write(in("near.nii.gz"), near, volume.Float32))
	for _, args := range [][]string{{"brain.nii.gz"}, {"flipped.nii.gz"}, {"near.nii.gz"}, {"soft.nii.gz", "--brainmask-threshold", "0.5"}} {
		status, errs := segment(append([]string{"--flair", in("flair.nii.gz"), "--brainmask", in(args[0])}, args[1:]...)...)
		require.Zero(t, status, errs)
		require.Equal(t, 125, found(t, in("m.nii.gz")), args)
	}
	status, errs := segment("--flair", in("flair.nii.gz"), "--brainmask", in("soft.nii.gz"))
	require.Equal(t, 1, status)
	require.Contains(t, errs, "soft.nii.gz: not a binary mask")
	require.Contains(t, errs, "a map of probabilities")
	status, errs = segment("--flair", in("flair.nii.gz"), "--brainmask", in("flair.nii.gz"))
	require.Equal(t, 1, status)
	require.Contains(t, errs, "flair.nii.gz: not a binary mask")

	// Backgrounds that are not 0.
	for name, change := range map[string]func(v *volume.Volume){
		"NaN": func(v *volume.Volume) {
			for x, in := range brain.Data {
				if !in {
					v.Data[x] = float32(math.NaN())
				}
			}
		},
		"slice": func(v *volume.Volume) {
			for x := range v.Data {
				if x/(size[0]*size[1]) == 12 {
					v.Data[x] = 0
				}
			}
		},
	} {
		c := v.Like()
		copy(c.Data, v.Data)
		change(c)
		require.NoError(t, volume.Write(in(name+".nii.gz"), c, volume.Float32))
		status, errs := segment("--flair", in(name+".nii.gz"))
		require.Zero(t, status, errs)
		require.Equal(t, 125, found(t, in("m.nii.gz")), name)
	}
	for x, in := range brain.Data {
		if !in {
			v.Data[x] = -1000
		}
	}
	require.NoError(t, volume.Write(in("minus.nii.gz"), v, volume.Int16))
	status, errs = segment("--flair", in("minus.nii.gz"), "--prepare", "none")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "of the voxels are -1000: the background is not 0")
	status, errs = segment("--flair", in("minus.nii.gz"), "--brainmask", in("brain.nii.gz"))
	require.Zero(t, status, errs)
}

func TestTransforms(t *testing.T) {
	in := at(t.TempDir())
	w := network(t, in("w.safetensors"), models.Detector, 0.3, nil)
	old, fresh := cube{[3]int{16, 15, 13}, 1}, cube{[3]int{8, 9, 7}, 2}
	scan(t, in("t1.nii.gz"), 1, old)
	v, _ := scan(t, in("t2.nii.gz"), 2, old, fresh)
	v.Affine[0][3], v.Affine[1][3], v.Affine[2][3] = 40, 40, 40
	require.NoError(t, volume.Write(in("far.nii.gz"), v, volume.Int16))
	move := func(name string, x, y, z float64) string { // as ITK says it, in LPS
		text := fmt.Sprintf("#Insight Transform File V1.0\n#Transform 0\nTransform: TranslationTransform_double_3_3\nParameters: %g %g %g\nFixedParameters:\n", x, y, z)
		require.NoError(t, os.WriteFile(in(name), []byte(text), 0o600))
		return in(name)
	}
	right, inverse, part := move("right.tfm", -40, -40, 40), move("inverse.tfm", 40, 40, -40), move("part.tfm", 0.3, 0.2, 0.1)
	predict := func(more ...string) (int, string) {
		status, _, errs := clitest.Run(t, append([]string{"predict", "--patch", "16", "--model", w, "--time1", in("t1.nii.gz"), "--out", in("m.nii.gz")}, more...)...)
		return status, errs
	}
	for _, args := range [][]string{
		{"--time2", in("t2.nii.gz")},
		{"--time2", in("far.nii.gz"), "--space", in("t1.nii.gz"), "--transform2", right},
		{"--time2", in("t2.nii.gz"), "--space", in("t1.nii.gz"), "--transform2", part},
		{"--time2", in("t2.nii.gz"), "--space", in("t1.nii.gz"), "--transform2", part, "--picture", in("p.png"), "--prob", in("prob.nii.gz")},
	} {
		status, errs := predict(args...)
		require.Zero(t, status, errs)
		require.InDelta(t, 125, found(t, in("m.nii.gz")), 5, args)
	}
	status, errs := predict("--time2", in("far.nii.gz"), "--space", in("t1.nii.gz"), "--transform2", inverse)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "far.nii.gz: nothing of the scan lies in the common space after "+inverse)
	status, errs = predict("--time2", in("far.nii.gz"), "--resample-times")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "do not overlap: their centres are 69.3 mm apart")
	status, errs = predict("--time2", in("t1.nii.gz"))
	require.Zero(t, status)
	require.Contains(t, errs, "hold the same image")
}

func TestWindowsAreBounded(t *testing.T) {
	in := at(t.TempDir())
	w := network(t, in("w.safetensors"), models.Segmenter, 1.3, nil)
	scan(t, in("flair.nii.gz"), 1)
	for patch, want := range map[string]string{
		"4096x4096x4096":                 "windows of",
		"1099511627776x1099511627776x16": "more than 65536 voxels",
	} {
		status, _, errs := clitest.Run(t, "segment", "--model", w, "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz"), "--patch", patch)
		require.NotZero(t, status)
		require.Contains(t, errs, want, patch)
		require.NotContains(t, errs, "goroutine")
	}
	if cpu.AvailableMemory() < 23<<30 { // else they fit
		status, _, errs := clitest.Run(t, "segment", "--model", w, "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz"), "--patch", "800", "--device", "cpu")
		require.NotZero(t, status)
		require.Contains(t, errs, "windows of 800×800×800 voxels need about")
	}
	require.NoFileExists(t, in("m.nii.gz"))
}

func TestTwoMembersOfOneFile(t *testing.T) {
	in := at(t.TempDir())
	w := network(t, in("w.safetensors"), models.Segmenter, 1.3, nil)
	scan(t, in("flair.nii.gz"), 1)
	require.NoError(t, os.Symlink(w, in("link.safetensors")))
	require.NoError(t, os.Mkdir(in("weights"), 0o777))
	for n := range 2 {
		network(t, in(fmt.Sprintf("weights/segmenter.%d.safetensors", n+1)), models.Segmenter, 1.3, nil)
	}
	t.Setenv(clitest.BuiltIn, in("weights"))
	const twice = "are the same network, which counts twice in the ensemble"
	for again, of := range map[string]string{w: w, in("./w.safetensors"): w, in("link.safetensors"): w, "builtin:segmenter": "builtin:segmenter.2", "builtin:segmenter.1": "builtin:segmenter"} {
		status, _, errs := clitest.Run(t, "segment", "--model", of, "--model", again, "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz"), "--patch", "16")
		require.Zero(t, status, errs)
		require.Contains(t, errs, twice)
	}
	status, _, errs := clitest.Run(t, "segment", "--model", w, "--model", "builtin:segmenter", "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz"), "--patch", "16")
	require.Zero(t, status, errs)
	require.NotContains(t, errs, twice)
}

// The distance between windows had another name.
func TestStrideIsAlsoCalledHop(t *testing.T) {
	in := at(t.TempDir())
	w := network(t, in("w.safetensors"), models.Segmenter, 1.3, nil)
	scan(t, in("flair.nii.gz"), 1)
	for _, name := range []string{"--stride", "--hop"} {
		status, _, errs := clitest.Run(t, "segment", "--model", w, "--flair", in("flair.nii.gz"), "--out", in("m.nii.gz"), "--patch", "16", name, "17")
		require.NotZero(t, status)
		require.Contains(t, errs, "each stride (hop) must be from 1 to the patch's edge")
	}
}

// Without --model the networks that the program was built with are used, here two members that were put in their place.
func TestBuiltInNetworksAreTheDefault(t *testing.T) {
	dir := t.TempDir()
	put := t.TempDir()
	t.Setenv(clitest.BuiltIn, put)
	var files []string
	for n, threshold := range []float64{1.2, 1.4} {
		path := network(t, filepath.Join(put, fmt.Sprintf("segmenter.%d.safetensors", n+1)), models.Segmenter, threshold, map[string]string{"least_lesion_mm3": "5"})
		files = append(files, "--model", path)
	}
	v := volume.New(volume.Grid{Size: [3]int{24, 24, 24}, Affine: volume.Identity})
	for i := range v.Data {
		v.Data[i] = 1
		switch x, y, z := i%24, i/24%24, i/576; {
		case x >= 4 && x < 8 && y >= 4 && y < 8 && z >= 4 && z < 8:
			v.Data[i] = 3
		case x >= 16 && x < 17 && y >= 16 && y < 18 && z >= 16 && z < 18: // 4 mm³
			v.Data[i] = 3
		}
	}
	scan := filepath.Join(dir, "flair.nii")
	require.NoError(t, volume.Write(scan, v, volume.Float32))
	run := func(out string, more ...string) *volume.Mask {
		args := append([]string{"segment", "--flair", scan, "--brainmask", "none", "--normalize", "none", "--patch", "16", "--device", "cpu", "--out", filepath.Join(dir, out)}, more...)
		status, _, errs := clitest.Run(t, args...)
		require.Zero(t, status, errs)
		m, err := volume.ReadMask(filepath.Join(dir, out))
		require.NoError(t, err)
		return m
	}
	found := run("default.nii")
	require.Equal(t, 64, found.Count(), "the piece of 4 mm³ is taken out, as the weights say")
	require.Equal(t, found.Data, run("own.nii", files...).Data)
	require.Equal(t, found.Data, run("named.nii", "--model", "builtin:segmenter").Data)
	require.Equal(t, 68, run("all.nii", "--remove-mm3", "0").Count())

	// How sure the members are is in all that tells of lesions: what is 1.3 bright the first finds, and the second does not.
	table, doubtful := filepath.Join(dir, "table.csv"), filepath.Join(dir, "doubtful.nii")
	for i := range v.Data {
		v.Data[i] = min(v.Data[i], 1.3)
	}
	require.NoError(t, volume.Write(doubtful, v, volume.Float32))
	args := []string{"segment", "--threshold", "0.4", "--flair", doubtful, "--brainmask", "none", "--normalize", "none", "--patch", "16", "--device", "cpu", "--out", filepath.Join(dir, "sure.nii"), "--table", table}
	require.Contains(t, clitest.Succeeds(t, args...), "1 of 2")
	var said struct {
		Lesions []struct {
			Members []float64 `json:"member_probabilities"`
			Spread  *float64  `json:"members_sd"`
			Agree   int       `json:"members_above_threshold"`
		} `json:"lesions"`
	}
	require.NoError(t, os.Remove(args[len(args)-3]))
	require.NoError(t, os.Remove(table))
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, append(args, "--json")...)), &said))
	require.Len(t, said.Lesions, 1)
	require.Len(t, said.Lesions[0].Members, 2)
	require.Greater(t, said.Lesions[0].Members[0], 0.9)
	require.Less(t, said.Lesions[0].Members[1], 0.1)
	require.Greater(t, *said.Lesions[0].Spread, 0.5)
	require.Equal(t, 1, said.Lesions[0].Agree)
	text, err := os.ReadFile(table)
	require.NoError(t, err)
	require.Contains(t, string(text), "members,members_above_threshold,members_sd\n")

	for want, args := range map[string][]string{
		`there is no built-in network "segmentre"; this program has: segmenter`: {"segment", "--model", "builtin:segmentre", "--flair", scan},
		`built without the weights "detector" (it has: segmenter)`:              {"predict", "--time1", scan, "--time2", scan},
		`with --model FILE weights of your own are used`:                        {"predict", "--time1", scan, "--time2", scan},
		"builtin:segmenter.1 holds a segmenter; a detector is needed here":      {"predict", "--model", "builtin:segmenter", "--time1", scan, "--time2", scan},
		"remove-mm3 -1": {"segment", "--flair", scan, "--remove-mm3", "-1"},
	} {
		status, _, errs := clitest.Run(t, append(args, "--device", "cpu", "--out", filepath.Join(dir, "no.nii"))...)
		require.NotZero(t, status)
		require.Contains(t, errs, want)
	}
	t.Setenv(clitest.BuiltIn, "")
	status, _, errs := clitest.Run(t, "segment", "--model", "builtin:brain", "--flair", scan, "--device", "cpu", "--out", filepath.Join(dir, "no.nii"))
	require.Equal(t, 1, status)
	require.Contains(t, errs, "builtin:brain: the network wants voxels of 2.5 mm")
}

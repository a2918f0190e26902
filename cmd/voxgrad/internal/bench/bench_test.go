package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cuda"
	"voxgrad/device"
	"voxgrad/device/bench"
	"voxgrad/device/meta"
	"voxgrad/models"
	"voxgrad/models/passes"
)

// least are flags of a bench that takes a moment.
var least = []string{"--width", "1", "--patch", "8", "--runs", "2", "--seconds", "0", "--cache", "1"}

func TestBenchOfOps(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.json")
	out, err := command(t, New(), append(least, "--out", file)...)
	require.NoError(t, err)
	for _, s := range []string{"Conv/fwd/cin=6/cout=4/grid=8", "ConvT/gradW", "Norm/stats", "MaxPool/grad", "Upsample/fwd", "Concat/grad",
		"Dice/grad", "Adam/", "roofline", "Ceilings: multiply-adds"} {
		require.Contains(t, out, s)
	}
	r, err := readBench(file)
	require.NoError(t, err)
	require.Len(t, r.Results, len(bench.Ops(bench.Shapes{Width: 1, Patch: 8, Batch: 1})))
	require.Positive(t, r.FMA)

	// The same machine a million times as fast before, and as slow.
	scaled := func(name string, factor float64) string {
		for i := range r.Results {
			r.Results[i].Median *= factor
		}
		text, err := json.Marshal(r)
		require.NoError(t, err)
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, text, 0o666))
		return path
	}
	conv := append(least, "--filter", "^Conv/fwd")
	out, err = command(t, New(), append(conv, "--compare", scaled("fast.json", 1e-6))...)
	require.ErrorContains(t, err, "regressions of more than 10 %")
	require.Contains(t, out, "WORSE")
	out, err = command(t, New(), append(conv, "--compare", scaled("slow.json", 1e12), "--margin", "0")...)
	require.NoError(t, err)
	require.Contains(t, out, "better")
	require.Contains(t, out, "not measured now")
	require.NotContains(t, out, "another device")
	r.Device = "an abacus"
	out, err = command(t, New(), append(conv, "--compare", scaled("abacus.json", 1))...)
	require.NoError(t, err)
	require.Contains(t, out, "Against an abacus (another device)")

	out, err = command(t, New(), append(conv, "--benchstat")...)
	require.NoError(t, err)
	require.Regexp(t, `(?m)^BenchmarkConv/fwd/cin=6/cout=4/grid=8 1 \d+ ns/op [\d.]+ GFLOP/s [\d.]+ GB/s$`, out)
	out, err = command(t, New(), append(conv, "--json")...)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(out), &bench.Report{}))
}

func TestBenchOfSteps(t *testing.T) {
	for _, task := range []string{"segmenter", "detector"} {
		out, err := command(t, New(), append(least, "--step", task, "--batch", "2", "--json")...)
		require.NoError(t, err)
		var r bench.Report
		require.NoError(t, json.Unmarshal([]byte(out), &r))
		require.Len(t, r.Results, 3)
		require.Equal(t, "Step/"+task+"/up=transposed/width=1/patch=8/batch=2", r.Results[2].Name)
		forward, both := float64(r.Results[0].Flops), float64(r.Results[1].Flops)
		// The reverse pass costs twice the forward one, less what a frozen encoder spares.
		require.Greater(t, both, map[string]float64{"segmenter": 2.5, "detector": 1.5}[task]*forward)
		require.Less(t, both, 3*forward)
		require.Equal(t, r.Results[1].Flops, r.Results[2].Flops)
		require.Greater(t, r.Results[2].Bytes, r.Results[1].Bytes, "Adam moves more")
	}
}

// One forward pass of the published segmenter is 154 GMAC (docs/networks.md) with trilinear upsampling.
func TestWorkOfTheSegmenter(t *testing.T) {
	c := models.Default(models.Segmenter)
	c.Up = "trilinear"
	d := meta.New(0)
	run, closeCase, err := passes.Cases(c, bench.Shapes{Width: 24, Patch: 16, Batch: 1})[0].Open(d)
	require.NoError(t, err)
	d.ResetWork()
	run()
	closeCase()
	require.InDelta(t, 154, float64(d.Total().Flops)/2*64/1e9, 0.5)
	now, _ := d.Usage()
	require.Zero(t, now)
}

func TestBenchBadInput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o666))
	damaged := func(name, results string) string {
		path := filepath.Join(filepath.Dir(file), name)
		require.NoError(t, os.WriteFile(path, []byte(`{"results": [`+results+`]}`), 0o666))
		return path
	}
	for _, k := range []struct{ args, says string }{
		{"--filter (", "--filter"}, {"--filter nothing", "no case matches"}, {"--step painter", "segmenter or detector"},
		{"--patch 12", "multiple of 8"}, {"--width 0", "width 0"}, {"--runs 0", "--runs"}, {"--json --benchstat", "choose one"},
		{"--compare /nowhere.json", "/nowhere.json"}, {"--compare " + file, "no results"}, {"--margin -1", "--margin"}, {"--margin Inf", "--margin"},
		{"--step segmenter --up sideways", "sideways"}, {"--up trilinear", "--step"},
		{"--predict H100", "--runs goes with a measurement, --predict measures nothing"},
		{"--out=", "--out is empty"}, {"--filter nothing --out /nowhere/x.json", "cannot write /nowhere/x.json"}, // before the work {"--compare=", "--compare is empty"},
		{"--compare " + damaged("time.json", `{"name": "a"}`), "time.json: a: a time of 0 s"},
		{"--compare " + damaged("less.json", `{"name": "a", "median_s": -1}`), "a time of -1 s"},
		{"--compare " + damaged("name.json", `{"median_s": 1}`), "result 1 has no name"},
		{"--compare " + damaged("twice.json", `{"name": "a", "median_s": 1}, {"name": "a", "median_s": 2}`), "a is there twice"},
	} {
		_, err := command(t, New(), append(least[2:], strings.Fields(k.args)...)...)
		require.ErrorContains(t, err, k.says, k.args)
	}
	out := filepath.Join(filepath.Dir(file), "out.json")
	_, err := command(t, New(), append(least, "--filter", "^Copy/", "--out", out, "--compare", damaged("else.json", `{"name": "a", "median_s": 1}`))...)
	require.ErrorContains(t, err, "no case in common")
	require.FileExists(t, out, "what was measured is not lost")
}

func TestBenchOnTheEmulatorCounts(t *testing.T) {
	dev, err := cli.OpenEmulator(cuda.FP32)
	require.NoError(t, err)
	defer dev.Close()
	o := bench.Defaults()
	(&benchFlags{}).fit(dev, &o)
	var cases []bench.Case
	for _, c := range bench.Ops(bench.Shapes{Width: 1, Patch: 8, Batch: 1}) {
		if strings.HasPrefix(c.Name, "Copy/") || strings.HasPrefix(c.Name, "Conv/fwd/cin=6/") {
			cases = append(cases, c)
		}
	}
	require.Len(t, cases, 2)
	r, err := bench.Run(t.Context(), dev, cases, o)
	require.NoError(t, err)
	again, err := bench.Run(t.Context(), dev, cases, o)
	require.NoError(t, err)
	require.Equal(t, r, again, "counts do not vary")
	conv := uint64(0)
	for _, k := range r.Results[0].Counts {
		conv += k["flops"]
	}
	require.GreaterOrEqual(t, conv, uint64(r.Results[0].Flops))
	sum := r.Results[1].Counts["accumulate"]
	require.EqualValues(t, 1, sum["launches"])
	require.EqualValues(t, 2*4*4*8*8*8/32, sum["load_sectors"], "two tensors of 4·8³ floats")
	require.EqualValues(t, 4*4*8*8*8/32, sum["store_sectors"])
	var b bytes.Buffer
	require.NoError(t, countTable(r).WriteText(&b))
	require.Contains(t, b.String(), "accumulate")

	c, err := bench.Compare(r, again, 0)
	require.NoError(t, err)
	b.Reset()
	require.NoError(t, changeTable(r, again, c, 0).WriteText(&b))
	require.Regexp(t, `\n[1-9]\d* within ±0 %, 0 new`, b.String(), "equal counts were compared")
}

// The dry driver's accounts are those of a device that works, to the byte, in every precision: width 2 has activations of eight channels and more, and of fewer.
func TestDryCUDATakesWhatTheEmulatorGives(t *testing.T) {
	if testing.Short() {
		t.Skip("a training step on the emulator")
	}
	taken := map[cuda.Precision]int64{}
	for _, k := range []struct {
		precision cuda.Precision
		kind      string
		width     int
	}{{cuda.FP32, models.Segmenter, 1}, {cuda.TF32, models.Segmenter, 2}, {cuda.BF16, models.Segmenter, 2}, {cuda.BF16, models.Detector, 2}} {
		t.Run(fmt.Sprint(k.kind, k.precision), func(t *testing.T) {
			c := models.Default(k.kind)
			c.Width = k.width
			step := func(dev device.Backend) (peak int64) {
				run, closeCase, err := passes.Cases(c, bench.Shapes{Width: c.Width, Patch: 8, Batch: 1})[2].Open(dev)
				require.NoError(t, err)
				run()
				run()
				_, peak = dev.Usage()
				closeCase()
				require.NoError(t, dev.Sync())
				return peak
			}
			e, err := cli.OpenEmulator(k.precision)
			require.NoError(t, err)
			defer e.Close()
			d, err := cli.DryCUDA(e.Info(), cuda.WithPrecision(k.precision))(0)
			require.NoError(t, err)
			defer d.Close()
			peak := step(e)
			require.Equal(t, peak, step(d))
			require.Equal(t, e.Reserved(), d.Taken())
			if k.kind == models.Segmenter {
				taken[k.precision] = peak
			}
		})
	}
	require.Less(t, taken[cuda.BF16], taken[cuda.TF32])
}

// What is taken for an earlier report is one: named, with times, and writable again.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"device": "cpu", "results": [{"name": "conv", "median_s": 0.5}]}`))
	f.Add([]byte(`{"counted": true, "results": [{"name": "conv"}, {"name": "conv"}]}`))
	f.Add([]byte(`{"results": [{"name": "a", "median_s": 1e999}], "newer": {"x": [1]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseBench(b)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 4000)
			return
		}
		require.NotEmpty(t, r.Results)
		_, err = json.Marshal(r)
		require.NoError(t, err)
	})
}

func TestBenchPredicts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.json")
	small := []string{"--step", "detector", "--width", "8", "--patch", "16", "--precision", "bf16", "--predict", "rtx 4090"}
	out, err := command(t, New(), append(small, "--out", file)...)
	require.NoError(t, err)
	for _, s := range []string{"RTX4090, bf16: prediction, nothing was measured", "Step/detector/up=transposed/width=8/patch=16/batch=1", "floor",
		"fuse1", "conv10", "mma_bf16_24", "Of Step/detector", ", predicted"} {
		require.Contains(t, out, s)
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var r predictions
	require.NoError(t, json.Unmarshal(text, &r))
	require.Equal(t, notMeasured, r.What)
	require.Len(t, r.Cases, 3)
	require.Greater(t, r.Cases[2].Seconds, r.Cases[0].Seconds)
	require.Greater(t, len(r.Cases[2].Launches), 100)

	for args, says := range map[string]string{
		"--predict=": "--predict is empty: give a card", "--predict TPU": "there are those of H200, H100, A100, RTX4090, RTX3090",
		"--predict H100 --device cuda": "--device goes with a measurement", "--predict H100 --compare x.json": "--compare goes with a measurement",
		"--predict H100 --precision fp8": "fp8", "--predict H100 --filter nothing": "no case matches",
	} {
		_, err := command(t, New(), strings.Fields(args)...)
		require.ErrorContains(t, err, says, args)
	}

	// Of one op both kernels' floors are those of the card: 16·16·16·8·4 bytes twice at 3350 GB/s.
	out, err = command(t, New(), "--width", "2", "--patch", "16", "--filter", "^Copy/", "--predict", "H100", "--json")
	require.NoError(t, err)
	r = predictions{}
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.InEpsilon(t, 3*4*16*16*16*8/3350e9, r.Cases[0].Floor, 1e-9, "what is added to is read too")
}

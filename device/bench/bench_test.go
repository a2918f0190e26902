package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/meta"
	"voxgrad/device/ref"
)

var small = Shapes{Width: 1, Patch: 8, Batch: 2}

func quick() Options {
	return Options{Warmup: 1, Least: 3, Most: 3, Flush: 1 << 12, CopyBytes: 1 << 12, FMA: func() (float64, error) { return 2e9, nil }}
}

// Every case runs on a backend that checks nothing and on one that computes, and
// all memory comes back.
func TestEveryOpRuns(t *testing.T) {
	dev := ref.New[float32]()
	cases := Ops(small)
	names := map[string]bool{}
	for _, c := range cases {
		require.False(t, names[c.Name], "two cases are called %s", c.Name)
		require.NotContains(t, c.Name, " ")
		names[c.Name] = true
	}
	r, err := Run(context.Background(), dev, cases, quick())
	require.NoError(t, err)
	require.Len(t, r.Results, len(cases))
	now, _ := dev.Usage()
	require.Zero(t, now)
	require.Positive(t, r.Copy)
	require.Equal(t, 2.0, r.FMA)
	for _, x := range r.Results {
		require.Len(t, x.Seconds, 3, x.Name)
		require.Positive(t, x.Bytes, x.Name)
		require.Equal(t, strings.HasPrefix(x.Name, "Conv") || strings.HasPrefix(x.Name, "CatConv/") || strings.HasPrefix(x.Name, "AlongAxis"), x.Flops > 0, x.Name)
		require.LessOrEqual(t, x.Q1, x.Median)
		require.LessOrEqual(t, x.Median, x.Q3)
		require.Positive(t, x.Roofline, x.Name)
	}
}

// The largest convolution of the published networks: 97.8 GMAC (docs/networks.md).
func TestWorkOfTheLargestConvolution(t *testing.T) {
	for _, c := range Ops(Published) {
		if c.Name == "Conv/fwd/cin=144/cout=96/grid=64" {
			w, err := work(c)
			require.NoError(t, err)
			require.EqualValues(t, 2*97_844_723_712, w.Flops)
			require.EqualValues(t, 4*(240*64*64*64+27*144*96+96), w.Bytes)
			return
		}
	}
	t.Fatal("there is no such case")
}

// Every op on images is measured, and those with a mask or a band on one that is like theirs.
func TestImagingIsCovered(t *testing.T) {
	all := meta.New(0)
	for _, c := range small.imaging() {
		run, done, err := c.Open(all)
		require.NoError(t, err)
		run()
		done()
	}
	memory := reflect.TypeFor[device.Memory]()
	for m := range reflect.TypeFor[device.Imaging]().Methods() {
		if _, ok := memory.MethodByName(m.Name); ok {
			continue
		}
		require.Positive(t, all.Work()[m.Name].Calls, m.Name)
	}
	sum := 0.0
	for i, v := range blur(device.Matrix(64, 64)) {
		require.Equal(t, v != 0, i/64-i%64 <= 7 && i%64-i/64 <= 7)
		if i/64 == 30 {
			sum += float64(v)
		}
	}
	require.InDelta(t, 1, sum, 1e-4)
	inside := 0.0
	for _, v := range ball(device.Shape{N: 1, D: 64, H: 64, W: 64, C: 1}) {
		inside += float64(v)
	}
	require.InEpsilon(t, 4./3*math.Pi*8*8*8, inside, 0.03)
	to := turned(64)
	for a := range 3 {
		for b := range 3 {
			dot := to[a][0]*to[b][0] + to[a][1]*to[b][1] + to[a][2]*to[b][2]
			want := 0.0
			if a == b {
				want = 1
			}
			require.InDelta(t, want, dot, 1e-12, "a rotation")
		}
		require.InDelta(t, 33.5, (to[a][0]+to[a][1]+to[a][2])*31.5+to[a][3], 1e-9, "about the centre, shifted by 2")
	}
}

// slow is a device that takes a known time.
type slow struct {
	*meta.Backend
	takes []time.Duration
	i     int
}

func (s *slow) Time(f func()) (time.Duration, error) {
	f()
	s.i++
	return s.takes[(s.i-1)%len(s.takes)], nil
}

func noop(dev device.Backend) (run, close func(), err error) {
	x := dev.Alloc(device.Vec(1000))
	return func() { dev.Fill(x, 1) }, func() { dev.Free(x) }, nil
}

func TestQuartilesAndRoofline(t *testing.T) {
	s := &slow{Backend: meta.New(0), takes: []time.Duration{8000, 2000, 4000, 6000, 1000}}
	r, err := Run(context.Background(), s, []Case{{Name: "x", Open: noop}}, Options{Least: 5, Most: 5})
	require.NoError(t, err)
	require.Equal(t, "device", r.Timing)
	require.Equal(t, []float64{8e-6, 2e-6, 4e-6, 6e-6, 1e-6}, r.Results[0].Seconds)
	require.InDelta(t, 2e-6, r.Results[0].Q1, 1e-12)
	require.InDelta(t, 4e-6, r.Results[0].Median, 1e-12)
	require.InDelta(t, 6e-6, r.Results[0].Q3, 1e-12)
	require.InDelta(t, 1.0, r.Results[0].GBytes(), 1e-9)
	require.Zero(t, r.Results[0].Roofline, "no ceiling was measured")

	// 4000 bytes at 2 GB/s need 2 µs, half of 4 µs; 20000 operations at 10 GFLOP/s as well; at 5 all of it.
	x := Result{Bytes: 4000, Median: 4e-6}
	require.InDelta(t, 0.5, share(x, &Report{Copy: 2}), 1e-9)
	x.Flops = 20000
	require.Zero(t, share(x, &Report{Copy: 2}))
	require.InDelta(t, 0.5, share(x, &Report{Copy: 2, FMA: 10}), 1e-9)
	require.InDelta(t, 1.0, share(x, &Report{Copy: 2, FMA: 5}), 1e-9)
	require.InDelta(t, 2.5, quantile([]float64{1, 2, 3, 4}, 0.5), 1e-12)
	require.InDelta(t, 1.75, quantile([]float64{1, 2, 3, 4}, 0.25), 1e-12)
	require.InDelta(t, 7, quantile([]float64{7}, 0.75), 1e-12)
}

// counting is a device that only counts.
type counting struct {
	*meta.Backend
	n uint64
}

func (c *counting) Fill(t device.Tensor, v float32) { c.Backend.Fill(t, v); c.n += 3 }
func (c *counting) Counts() map[string]Counts {
	return map[string]Counts{"fill": {"instructions": c.n}}
}
func (c *counting) ResetCounts() { c.n = 0 }

func TestCountsInsteadOfTimes(t *testing.T) {
	r, err := Run(context.Background(), &counting{Backend: meta.New(0)}, []Case{{Name: "x", Open: noop}}, Defaults())
	require.NoError(t, err)
	require.True(t, r.Counted)
	require.Empty(t, r.Results[0].Seconds)
	require.Equal(t, map[string]Counts{"fill": {"instructions": 3}}, r.Results[0].Counts, "of one execution")
	var b bytes.Buffer
	require.NoError(t, r.WriteBenchstat(&b))
	require.Contains(t, b.String(), "Benchmarkx/kernel=fill 1 3 instructions\n")

	worse := &Report{Counted: true, Results: []Result{{Name: "x", Counts: map[string]Counts{"fill": {"instructions": 4}, "other": {"sectors": 1}}}}}
	c, err := Compare(r, worse, 0.4)
	require.NoError(t, err)
	require.Len(t, c.Cases, 2)
	require.Len(t, c.Regressions(), 1, "from nothing to something is a regression at any margin")
	c, err = Compare(r, worse, 0.3)
	require.NoError(t, err)
	require.Len(t, c.Regressions(), 2)
	_, err = Compare(&Report{Results: r.Results}, r, 0.1)
	require.ErrorContains(t, err, "has times")
}

func TestCompare(t *testing.T) {
	at := func(medians ...float64) *Report {
		r := &Report{}
		for i, m := range medians {
			if m > 0 {
				r.Results = append(r.Results, Result{Name: string(rune('a' + i)), Median: m})
			}
		}
		return r
	}
	c, err := Compare(at(1, 1, 1, 0, 1), at(1.09, 1.11, 0.5, 1, 0), 0.1)
	require.NoError(t, err)
	require.Equal(t, []Change{{Name: "b", What: "time", Was: 1, Is: 1.11, Ratio: 1.11, Regression: true}}, c.Regressions())
	require.Equal(t, []string{"e"}, c.Missing)
	require.Equal(t, []string{"d"}, c.New)
	require.Len(t, c.Cases, 3)
	_, err = Compare(at(1), at(0, 1), 0.1)
	require.ErrorContains(t, err, "in common")
	for _, m := range []float64{-0.1, math.NaN(), math.Inf(1)} {
		_, err = Compare(at(1), at(1), m)
		require.ErrorContains(t, err, "margin")
	}
}

func TestErrors(t *testing.T) {
	_, err := Run(context.Background(), meta.New(0), Ops(small), Options{Filter: regexp.MustCompile("nothing")})
	require.ErrorContains(t, err, "no case matches")
	broken := errors.New("broken")
	_, err = Run(context.Background(), meta.New(0), []Case{{Name: "x", Open: func(device.Backend) (func(), func(), error) { return nil, nil, broken }}}, Options{})
	require.ErrorIs(t, err, broken)
	// A device that is too small.
	_, err = Run(context.Background(), meta.New(1000), []Case{{Name: "x", Open: noop}}, Options{Least: 1})
	require.ErrorContains(t, err, "x: meta: no memory")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Run(ctx, meta.New(0), []Case{{Name: "x", Open: noop}}, Options{Least: 1})
	require.ErrorIs(t, err, context.Canceled)
	for _, s := range []Shapes{{0, 64, 1}, {24, 12, 1}, {24, 64, 0}, {24, 0, 1}} {
		require.Error(t, s.Check())
	}
	require.NoError(t, Published.Check())
}

func TestHostFMA(t *testing.T) {
	rate := map[int]float64{}
	for _, lanes := range []int{1, 8, 16} {
		r, err := HostFMA(lanes)
		require.NoError(t, err)
		t.Logf("%2d: %.1f GFLOP/s", lanes, r/1e9)
		rate[lanes] = r
	}
	require.Greater(t, rate[1], 1e8)
	if haveFMA {
		require.Greater(t, rate[8], 2*rate[1])
		require.Greater(t, rate[16], 2*rate[1])
	}
}

func TestReportSurvivesJSON(t *testing.T) {
	r, err := Run(context.Background(), meta.New(0), []Case{{Name: "x", Open: noop}}, Options{Least: 2})
	require.NoError(t, err)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	var back Report
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, *r, back)
}

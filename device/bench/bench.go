package bench

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"voxgrad/device"
	"voxgrad/device/meta"
)

// Case is something to measure.
type Case struct {
	Name string // "Conv/fwd/cin=144/cout=96/grid=64"

	// Open allocates what run needs and fills it. run is called many times; the
	// function close frees.
	Open func(dev device.Backend) (run, close func(), err error)

	imaging bool // for devices that implement device.Imaging
}

// Timer is a backend that can time its own work.
type Timer interface {
	// Time is how long the device took for the calls that f makes.
	Time(f func()) (time.Duration, error)
}

// Counter is a backend whose time means nothing, such as an emulator.
type Counter interface {
	// Counts are what each kernel did since ResetCounts, by the name of the count.
	Counts() map[string]Counts
	ResetCounts()
}

// Hollow is a backend whose tensors hold nothing, so that nothing need be put into them.
type Hollow interface{ Hollow() }

// Counts are the numbers of a kernel: "instructions", "sectors".
type Counts map[string]uint64

// Options say how to measure.
type Options struct {
	Filter *regexp.Regexp // cases to run; nil: all

	Warmup int           // executions before the first sample
	Least  int           // samples at least
	Most   int           // samples at most
	Budget time.Duration // no more samples than this takes, beyond Least

	Flush int64 // bytes written between samples, to empty the caches

	// FMA returns the ceiling of arithmetic in operations a second, 2 for each fused
	// multiply-add; nil if nobody knows it.
	FMA func() (float64, error)

	// CopyBytes is the size of the tensor whose copy gives the ceiling of memory traffic.
	CopyBytes int64

	// Progress, if set, is called before each case.
	Progress func(name string, done, of int)
}

// Defaults measure for about half a second a case, with caches up to 64 MiB.
func Defaults() Options {
	return Options{Warmup: 2, Least: 5, Most: 50, Budget: 500 * time.Millisecond, Flush: 128 << 20, CopyBytes: 256 << 20}
}

// Result is what a case took.
type Result struct {
	Name  string `json:"name"`
	Flops int64  `json:"flops"` // by definition, of convolutions
	Bytes int64  `json:"bytes"` // the least there is to move

	Seconds []float64 `json:"seconds,omitempty"` // samples, in order
	Median  float64   `json:"median_s,omitempty"`
	Q1      float64   `json:"q1_s,omitempty"`
	Q3      float64   `json:"q3_s,omitempty"`

	// Roofline is the share of the roofline: the time that the ceilings allow, divided
	// by the median. 0 where a ceiling is not known.
	Roofline float64 `json:"roofline,omitempty"`

	Counts map[string]Counts `json:"counts,omitempty"` // by kernel
}

// GFlops is the direct-equivalent rate in 10⁹ operations a second.
func (r Result) GFlops() float64 { return rate(r.Flops, r.Median) }

// GBytes is the rate in 10⁹ bytes a second.
func (r Result) GBytes() float64 { return rate(r.Bytes, r.Median) }

func rate(n int64, seconds float64) float64 {
	if seconds == 0 {
		return 0
	}
	return float64(n) / seconds / 1e9
}

// Report is a run over many cases.
type Report struct {
	Device  string   `json:"device"`
	Counted bool     `json:"counted"`        // counts instead of times
	FMA     float64  `json:"fma_gflops"`     // ceiling in 10⁹ operations a second; 0 if not known
	Copy    float64  `json:"copy_gbytes"`    // ceiling in 10⁹ bytes a second, reading and writing
	Flush   int64    `json:"flush_bytes"`    // written between samples
	Timing  string   `json:"timing"`         // "host" or "device"
	Note    string   `json:"note,omitempty"` // the caller's: commit, driver
	Results []Result `json:"results"`
}

// Run measures cases one after the other, without those on images where the device has no device.Imaging. On an error, or when ctx ends, the
// results so far are in the report. No case is an error.
func Run(ctx context.Context, dev device.Backend, cases []Case, o Options) (*Report, error) {
	m := &meter{dev: dev, o: o}
	m.counter, _ = dev.(Counter)
	m.timer, _ = dev.(Timer)
	r := &Report{Device: dev.Name(), Counted: m.counter != nil, Timing: "host"}
	if m.timer != nil {
		r.Timing = "device"
	}
	if _, images := dev.(device.Imaging); !images {
		cases = slices.DeleteFunc(slices.Clone(cases), func(c Case) bool { return c.imaging })
	}
	cases, err := Matching(cases, o.Filter)
	if err != nil {
		return r, err
	}
	if !r.Counted {
		r.Flush = o.Flush
		if err := m.open(r); err != nil {
			return r, err
		}
		defer m.close()
	}
	for i, c := range cases {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if o.Progress != nil {
			o.Progress(c.Name, i, len(cases))
		}
		res, err := m.measure(ctx, c)
		if err != nil {
			return r, fmt.Errorf("%s: %w", c.Name, err)
		}
		res.Roofline = share(res, r)
		r.Results = append(r.Results, res)
	}
	return r, nil
}

// Matching are the cases whose names match a filter, which may be nil. None is an error.
func Matching(cases []Case, filter *regexp.Regexp) ([]Case, error) {
	cases = slices.DeleteFunc(slices.Clone(cases), func(c Case) bool { return filter != nil && !filter.MatchString(c.Name) })
	if len(cases) == 0 {
		return nil, errors.New("no case matches the filter")
	}
	return cases, nil
}

// share is the longer of the two times that the ceilings allow, over the median.
func share(res Result, r *Report) float64 {
	if res.Median == 0 || r.Copy == 0 || res.Flops > 0 && r.FMA == 0 {
		return 0
	}
	least := float64(res.Bytes) / (r.Copy * 1e9)
	if res.Flops > 0 {
		least = max(least, float64(res.Flops)/(r.FMA*1e9))
	}
	return least / res.Median
}

// work counts a case's operations and bytes.
func work(c Case) (meta.Work, error) {
	d := meta.New(0)
	run, closeCase, err := c.Open(d)
	if err != nil {
		return meta.Work{}, err
	}
	defer closeCase()
	run() // a step finds its gradients allocated the second time
	d.ResetWork()
	run()
	return d.Total(), nil
}

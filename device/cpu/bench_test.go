//go:build unix

package cpu

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"voxgrad/device"
)

// random is a tensor of standard normal values.
func random(b *Backend, s device.Shape, seed uint64) device.Tensor {
	t := b.Alloc(s)
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, s.Len())
	for i := range v {
		v[i] = 2*r.Float32() - 1
	}
	b.Upload(t, v)
	return t
}

// best times single iterations. It reports the fastest one, and the rate per
// second of one core's time, which a busy machine disturbs less.
func best(b *testing.B, work float64, unit string, f func()) {
	b.Helper()
	f()
	wall, busy := time.Duration(1<<62), time.Duration(1<<62)
	for b.Loop() {
		start, used := time.Now(), processTime()
		f()
		wall, busy = min(wall, time.Since(start)), min(busy, processTime()-used)
	}
	b.ReportMetric(wall.Seconds()*1e3, "best-ms")
	b.ReportMetric(work/busy.Seconds()/1e9, unit+"/core")
}

// processTime is the time all threads of this process have run.
func processTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// The layers of the segmenter of width 24 on a patch of 64³ voxels.
var layers = []struct{ cin, cout, n int }{
	{1, 24, 64}, {24, 48, 64}, {48, 48, 32}, {48, 96, 32}, {96, 96, 16}, {96, 192, 16},
	{192, 384, 8}, {576, 192, 16}, {288, 96, 32}, {144, 96, 64}, {96, 2, 64},
}

func BenchmarkConv(b *testing.B) {
	for _, l := range layers {
		d := New()
		x := random(d, device.Shape{N: 1, D: l.n, H: l.n, W: l.n, C: l.cin}, 1)
		y := random(d, x.WithC(l.cout), 2)
		w := random(d, device.Weights(3, l.cin, l.cout), 3)
		bias := random(d, device.Vec(l.cout), 4)
		name := fmt.Sprintf("cin=%d/cout=%d/n=%d", l.cin, l.cout, l.n)
		work := 2 * 27 * float64(x.Len()*l.cout)
		b.Run("fwd/"+name, func(b *testing.B) {
			best(b, work, "GFLOP/s", func() { d.Conv(y, x, w, bias, device.Conv3x3x3, device.ReLU) })
		})
		b.Run("gradx/"+name, func(b *testing.B) {
			dx := d.Alloc(x.Shape)
			best(b, work, "GFLOP/s", func() { d.ConvGradX(device.Into{Tensor: dx, Mode: device.Set}, y, w, device.Conv3x3x3) })
			d.Free(dx)
		})
		b.Run("gradw/"+name, func(b *testing.B) {
			dw, db := d.Alloc(w.Shape), d.Alloc(bias.Shape)
			best(b, work, "GFLOP/s", func() {
				d.ConvGradW(device.Into{Tensor: dw, Mode: device.Set}, device.Into{Tensor: db, Mode: device.Set}, x, y, device.Conv3x3x3)
			})
			d.Free(dw)
			d.Free(db)
		})
		d.Close()
	}
}

func BenchmarkConvT(b *testing.B) {
	for _, l := range []struct{ c, n int }{{384, 8}, {192, 16}, {96, 32}} {
		d := New()
		x := random(d, device.Shape{N: 1, D: l.n, H: l.n, W: l.n, C: l.c}, 1)
		y := random(d, device.ConvT2x2x2.OutT(x.Shape, l.c), 2)
		w := random(d, device.Weights(2, l.c, l.c), 3)
		bias := random(d, device.Vec(l.c), 4)
		name := fmt.Sprintf("c=%d/n=%d", l.c, l.n)
		work := 2 * 8 * float64(x.Len()*l.c)
		b.Run("fwd/"+name, func(b *testing.B) {
			best(b, work, "GFLOP/s", func() { d.ConvT(y, x, w, bias, device.ConvT2x2x2) })
		})
		b.Run("gradx/"+name, func(b *testing.B) {
			dx := d.Alloc(x.Shape)
			best(b, work, "GFLOP/s", func() { d.ConvTGradX(device.Into{Tensor: dx, Mode: device.Set}, y, w, device.ConvT2x2x2) })
			d.Free(dx)
		})
		b.Run("gradw/"+name, func(b *testing.B) {
			dw, db := d.Alloc(w.Shape), d.Alloc(bias.Shape)
			best(b, work, "GFLOP/s", func() {
				d.ConvTGradW(device.Into{Tensor: dw, Mode: device.Set}, device.Into{Tensor: db, Mode: device.Set}, x, y, device.ConvT2x2x2)
			})
			d.Free(dw)
			d.Free(db)
		})
		d.Close()
	}
}

// BenchmarkMemory has the operations that move more than they compute, in the
// shapes of the finest level; GB/s counts every tensor read or written once per pass.
func BenchmarkMemory(b *testing.B) {
	d := New()
	defer d.Close()
	s := device.Shape{N: 1, D: 64, H: 64, W: 64, C: 144}
	x, y, g, z := random(d, s, 1), random(d, s, 2), random(d, s, 3), random(d, s, 4)
	half := device.Shape{N: 1, D: 32, H: 32, W: 32, C: 144}
	small, sg := random(d, half, 4), random(d, half, 5)
	p, q := random(d, s.WithC(96), 6), random(d, s.WithC(48), 7)
	v := make([]device.Tensor, 6)
	for i := range v {
		v[i] = random(d, device.Vec(s.C), uint64(10+i))
	}
	set := func(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Set} }
	one := float64(x.Len()) * 4
	for _, c := range []struct {
		name  string
		bytes float64
		f     func()
	}{
		{"fill", one, func() { d.Fill(y, 1) }},
		{"copy", 2 * one, func() { d.Copy(set(y), x) }},
		{"add", 3 * one, func() { d.Copy(device.Into{Tensor: y, Mode: device.Add}, x) }},
		{"relugrad", 3 * one, func() { d.ReLUGrad(set(g), g, x) }},
		{"normstats", one, func() { d.BatchNormStats(v[0], v[1], x, device.Tensor{}, device.Tensor{}, 1e-5, 0.1) }},
		{"normapply", 2 * one, func() { d.BatchNormApply(y, x, v[2], v[3], v[0], v[1]) }},
		{"normgrad", 5 * one, func() { d.BatchNormGrad(set(y), set(v[4]), set(v[5]), g, x, v[2], v[0], v[1], false) }},
		{"channelsums", one, func() { d.ConvGradW(device.Into{}, set(v[4]), x, x, device.ConvParams{K: 1, Stride: 1}) }},
		{"maxpool", 1.125 * one, func() { d.MaxPool(small, x) }},
		{"maxpoolgrad", 2.25 * one, func() { d.MaxPoolGrad(set(y), sg, x, small) }},
		{"upsample", 1.125 * one, func() { d.Upsample(y, small) }},
		{"upsamplegrad", 1.125 * one, func() { d.UpsampleGrad(set(sg), x) }},
		{"concat", 2 * one, func() { d.Concat(y, p, q) }},
		{"split", 2 * one, func() { d.Split(set(p), set(q), x) }},
		{"dropout", 2 * one, func() { d.Dropout(y, x, 0.5, 7) }},
		{"softmax", 2 * one, func() { d.Softmax(y, x) }},
		{"adam", 7 * one, func() {
			d.Adam([]device.AdamSlot{{W: x, Grad: g, M: y, V: z}}, device.AdamOptions{Step: 1, LR: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8})
		}},
	} {
		b.Run(c.name, func(b *testing.B) { best(b, c.bytes, "GB/s", c.f) })
	}
}

// The way up of the segmenter of width 24, and its second convolution. The rate counts the products of
// the composition.
func BenchmarkCatConv(b *testing.B) {
	for _, l := range []struct {
		name          string
		up            device.Upsampling
		n, cx, cs, co int
	}{
		{"conv10/trilinear", device.Trilinear, 64, 96, 48, 96}, {"conv10/transposed", device.Transposed, 64, 96, 48, 96},
		{"conv9/trilinear", device.Trilinear, 32, 192, 96, 96}, {"conv9/transposed", device.Transposed, 32, 192, 96, 96},
		{"conv8/trilinear", device.Trilinear, 16, 384, 192, 192}, {"conv8/transposed", device.Transposed, 16, 384, 192, 192},
		{"conv2", device.AsIs, 64, 24, 0, 48},
	} {
		d := New()
		cube := func(n, c int) device.Shape { return device.Shape{N: 1, D: n, H: n, W: n, C: c} }
		set := func(s device.Shape) device.Into { return device.Into{Tensor: d.Alloc(s), Mode: device.Set} }
		var in []device.Source
		var g device.CatConvGrads
		up := device.Source{X: random(d, cube(l.n/2, l.cx), 1), Up: l.up}
		upg := device.SourceGrad{}
		switch l.up {
		case device.AsIs:
			up.X = random(d, cube(l.n, l.cx), 1)
		case device.Transposed:
			ws := device.Weights(2, l.cx, l.cx)
			up.W, up.B = random(d, ws, 2), random(d, device.Vec(l.cx), 3)
			upg.W, upg.B = set(ws), set(up.B.Shape)
		}
		upg.X = set(up.X.Shape)
		in, g.In = append(in, up), append(g.In, upg)
		if l.cs > 0 {
			x := random(d, cube(l.n, l.cs), 4)
			in, g.In = append(in, device.Source{X: x}), append(g.In, device.SourceGrad{X: set(x.Shape)})
		}
		z := device.CatShape(in)
		v := device.Vec(z.C)
		norm := device.Normalization{Gamma: random(d, v, 5), Beta: random(d, v, 6), Mean: random(d, v, 7), InvStd: random(d, v, 8)}
		w, bias := random(d, device.Weights(3, z.C, l.co), 9), random(d, device.Vec(l.co), 10)
		y, dy := d.Alloc(z.WithC(l.co)), random(d, z.WithC(l.co), 11)
		g.W, g.B, g.Gamma, g.Beta = set(w.Shape), set(bias.Shape), set(v), set(v)
		work := float64(2*27*z.C*l.co) * float64(z.Rows())
		b.Run(l.name+"/stats", func(b *testing.B) {
			best(b, work, "GFLOP/s", func() {
				d.CatConvStats(norm.Mean, norm.InvStd, in, device.Tensor{}, device.Tensor{}, 1e-5, 0.1)
			})
		})
		b.Run(l.name+"/forward", func(b *testing.B) {
			best(b, work, "GFLOP/s", func() { d.CatConv(y, in, norm, w, bias, device.ReLU) })
		})
		b.Run(l.name+"/gradient", func(b *testing.B) {
			best(b, 2*work, "GFLOP/s", func() { d.CatConvGrad(g, dy, in, norm, w, false) })
		})
	}
}

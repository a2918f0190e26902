package ref

import (
	"fmt"
	"testing"

	"voxgrad/device"
)

// The oracle need not be fast, but networks on 16³ must not keep a test waiting.
func BenchmarkConv(b *testing.B) {
	for _, c := range []struct{ cin, cout int }{{1, 4}, {24, 16}} {
		o := New[float64]()
		x := o.Alloc(device.Shape{N: 1, D: 16, H: 16, W: 16, C: c.cin})
		y := o.Alloc(x.WithC(c.cout))
		w := o.Alloc(device.Weights(3, c.cin, c.cout))
		for _, t := range []device.Tensor{x, y, w} {
			o.Fill(t, 1)
		}
		for _, op := range []struct {
			name string
			run  func()
		}{
			{"forward", func() { o.Conv(y, x, w, device.Tensor{}, device.Conv3x3x3, device.Linear) }},
			{"gradx", func() { o.ConvGradX(device.Into{Tensor: x, Mode: device.Set}, y, w, device.Conv3x3x3) }},
			{"gradw", func() { o.ConvGradW(device.Into{Tensor: w, Mode: device.Set}, device.Into{}, x, y, device.Conv3x3x3) }},
		} {
			b.Run(fmt.Sprintf("cin=%d/cout=%d/%s", c.cin, c.cout, op.name), func(b *testing.B) {
				for b.Loop() {
					op.run()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(y.Rows()*27*c.cin*c.cout), "ns/MAC")
			})
		}
	}
}

package models_test

import (
	"fmt"
	"testing"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
)

// BenchmarkStep is one training step, BenchmarkForward one patch of inference.
// GMAC/s counts the convolutions' multiplications once forward, twice backward.
func BenchmarkStep(b *testing.B)    { benchmark(b, true) }
func BenchmarkForward(b *testing.B) { benchmark(b, false) }

func benchmark(b *testing.B, training bool) {
	for _, width := range []int{8, 24} {
		b.Run(fmt.Sprintf("width=%d/patch=32", width), func(b *testing.B) {
			dev := cpu.New()
			defer dev.Close()
			c := models.Default(models.Segmenter)
			c.Width, c.Up = width, layers.Trilinear
			net, err := models.New(dev, c, 1)
			if err != nil {
				b.Fatal(err)
			}
			adam := net.Adam(1e-4)
			s := device.Shape{N: 1, D: 32, H: 32, W: 32}
			x := noise(net, s)
			target := dev.Alloc(s.WithC(2))
			dev.Fill(target, 0.5)
			if !training {
				net.SetMode(layers.Eval)
			}
			for b.Loop() {
				if !training {
					t := autograd.NewInference(dev)
					net.Forward(t, x...)
					t.Close()
					continue
				}
				t := autograd.New(dev, uint64(adam.Step))
				loss, _ := t.DiceLoss(net.Forward(t, x...), autograd.Input(target), device.DiceOptions{Eps: 0.01})
				net.ClearGrads()
				t.Backward(loss)
				adam.Update()
				t.Close()
			}
			macs := 154e9 / 8 * float64(width*width) / (24 * 24) // of a 64³ patch at width 24: 154 G
			if training {
				macs *= 3
			}
			b.ReportMetric(macs*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			_, peak := dev.Usage()
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
		})
	}
}

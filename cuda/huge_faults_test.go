package cuda

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/cuda/kernels"
	"voxgrad/device"
)

// Kernels whose offsets are products of 32 bits work on small tensors, and are found here.
func TestCutOffsets(t *testing.T) {
	product := regexp.MustCompile(`(?:shl\.b64|mul\.lo\.s64|mul\.wide\.[su]32|mad\.lo\.s64)\s+(%rd\d+),[^;]*;`)
	for _, p := range []struct {
		module, kernel string
		run            func(b *Backend, y, x device.Tensor)
		in             element
	}{
		{"memory", "copy", func(b *Backend, y, x device.Tensor) { b.Copy(set(y), x) }, fp32},
		{"relu", "relu_grad", func(b *Backend, y, x device.Tensor) { b.ReLUGrad(set(y), x, x) }, fp32},
		{"random", "dropout", func(b *Backend, y, x device.Tensor) { b.Dropout(y, x, 0.5, 1) }, fp32},
		{"batchnorm", "batchnorm_apply_v4", func(b *Backend, y, x device.Tensor) {
			v := b.Alloc(device.Vec(x.C))
			b.Fill(v, 1)
			b.BatchNormApply(y, x, v, v, v, v)
		}, fp32},
		{"conv", "conv_slim", func(b *Backend, y, x device.Tensor) {
			w := b.Alloc(device.Weights(3, x.C, x.C))
			b.Fill(w, 1)
			b.Conv(y, x, w, device.Tensor{}, device.Conv3x3x3, device.Linear)
		}, fp32},
		{"channels", "concat_v4", func(b *Backend, y, x device.Tensor) { b.Concat(b.Alloc(x.WithC(2*x.C)), x, x) }, fp32},
		{"spatial", "along_lines", func(b *Backend, y, x device.Tensor) {
			m := b.Alloc(device.Matrix(8, 8))
			b.Fill(m, 1)
			b.AlongAxis(set(y), x, m, 2)
		}, fp32},
		{"bf16", "relu_grad_bf16", func(b *Backend, y, x device.Tensor) { b.ReLUGrad(set(y), x, x) }, bf16},
		{"bf16", "upsample_grad_v4_bf16", func(b *Backend, y, x device.Tensor) { b.UpsampleGrad(set(b.alloc(device.Pooled(x.Shape), 0, bf16)), x) }, bf16},
		{"bf16", "maxpool_v4_bf16", func(b *Backend, y, x device.Tensor) { b.MaxPool(b.alloc(device.Pooled(x.Shape), 0, bf16), x) }, bf16},
	} {
		text, _, err := kernels.Source(p.module, 80)
		require.NoError(t, err)
		begin := strings.Index(text, ".entry "+p.kernel+"(")
		require.Positive(t, begin, p.kernel)
		end := begin + strings.Index(text[begin:], "\n}\n")
		cut := text[:begin] + product.ReplaceAllString(text[begin:end], "$0 { .reg .b32 low; cvt.u32.u64 low, $1; cvt.s64.s32 $1, low; }") + text[end:]
		require.NotEqual(t, text, cut)
		precision := FP32
		if p.in == bf16 {
			precision = BF16
		}
		h, s := newHugeOf(t, 1<<32, 8, precision, p.in)
		for _, b := range []*Backend{h.big, h.all} {
			sound := b.source
			b.source = func(name string, compute int) (string, string, error) {
				if name == p.module {
					return cut, "planted", nil
				}
				return sound(name, compute)
			}
			delete(b.modules, p.module)
		}
		x, y := h.normal(s), h.result(s)
		p.run(h.all, y.all, x.all)
		require.NoError(t, h.all.Sync(), "%s: harmless where tensors are small", p.kernel)
		p.run(h.big, y.big, x.big)
		var f *emu.Fault
		require.ErrorAs(t, h.big.Sync(), &f, p.kernel)
		require.Equal(t, p.kernel, f.Kernel)
		require.Equal(t, emu.OutOfRange, f.Kind)
	}
}

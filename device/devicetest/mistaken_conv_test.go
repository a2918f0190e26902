package devicetest

import (
	"voxgrad/device"
	"voxgrad/device/ref"
)

// oracle is what the mistaken backends below embed: each makes one mistake that
// people make in such kernels, and is right otherwise.
type oracle = ref.Backend[float32]

// convMistake convolves with its own idea of which voxels are inside.
type convMistake struct {
	*oracle
	at func(s device.Shape, d, h, w int) (voxel int, inside bool)
}

func (b convMistake) Conv(y, x, w, bs device.Tensor, win device.ConvParams, act device.Act) {
	b.oracle.Conv(y, x, w, bs, win, act) // checks the shapes
	yd, xd, wd := b.Data(y), b.Data(x), b.Data(w)
	for p := range y.Rows() {
		n, r := p/y.Voxels(), p%y.Voxels()
		d, h, v := r/(y.H*y.W), r/y.W%y.H, r%y.W
		for o := range y.C {
			s := 0.0
			if !bs.None() {
				s = float64(b.Data(bs)[o])
			}
			for k := range win.K * win.K * win.K {
				q, in := b.at(x.Shape, d*win.Stride+k/(win.K*win.K)-win.Pad, h*win.Stride+k/win.K%win.K-win.Pad, v*win.Stride+k%win.K-win.Pad)
				for i := 0; in && i < x.C; i++ {
					s += float64(xd[(n*x.Voxels()+q)*x.C+i]) * float64(wd[(k*x.C+i)*y.C+o])
				}
			}
			if act == device.ReLU {
				s = max(s, 0)
			}
			yd[p*y.C+o] = float32(s)
		}
	}
}

func linear(s device.Shape, d, h, w int) int { return (d*s.H+h)*s.W + w }

func rightBorder(s device.Shape, d, h, w int) (int, bool) {
	return linear(s, d, h, w), d >= 0 && d < s.D && h >= 0 && h < s.H && w >= 0 && w < s.W
}

func repeatedBorder(s device.Shape, d, h, w int) (int, bool) {
	return linear(s, min(max(d, 0), s.D-1), min(max(h, 0), s.H-1), min(max(w, 0), s.W-1)), true
}

// wrappedRows looks only whether the address is inside the sample.
func wrappedRows(s device.Shape, d, h, w int) (int, bool) {
	v := linear(s, d, h, w)
	return v, v >= 0 && v < s.Voxels()
}

func shortBorder(s device.Shape, d, h, w int) (int, bool) {
	v, in := rightBorder(s, d, h, w)
	return v, in && w < max(s.W-1, 1)
}

// missedTap leaves out the last kernel position.
type missedTap struct{ *oracle }

func (b missedTap) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	v := b.Alloc(w.Shape)
	defer b.Free(v)
	copy(b.Data(v), b.Data(w))
	clear(b.Data(v)[w.Len()-w.W*w.C:])
	b.oracle.ConvGradX(dx, dy, v, win)
}

// forgottenRow leaves the last voxel out of the weights' gradient.
type forgottenRow struct{ *oracle }

func (b forgottenRow) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	v := b.Alloc(dy.Shape)
	defer b.Free(v)
	copy(b.Data(v), b.Data(dy))
	clear(b.Data(v)[dy.Len()-dy.C:])
	b.oracle.ConvGradW(dw, db, x, v, win)
}

// noReLU forgets the activation; zeroPasses lets the gradient through where y is 0.
type noReLU struct{ *oracle }

func (b noReLU) Conv(y, x, w, bs device.Tensor, win device.ConvParams, _ device.Act) {
	b.oracle.Conv(y, x, w, bs, win, device.Linear)
}

type zeroPasses struct{ *oracle }

func (b zeroPasses) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	v := b.Alloc(y.Shape)
	defer b.Free(v)
	for i, u := range b.Data(y) {
		b.Data(v)[i] = u + 1e-20
	}
	b.oracle.ReLUGrad(dx, dy, v)
}

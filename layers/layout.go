package layers

import (
	"fmt"

	"voxgrad/device"
)

// Layout is the order of a parameter's elements in a file, PyTorch's, beside
// the device's.
type Layout uint8

const (
	Vector       Layout = iota // file [C]; device Vec(C)
	ConvWeights                // file [Cout, Cin, K, K, K]; device Weights(K, Cin, Cout)
	ConvTWeights               // file [Cin, Cout, K, K, K]; device Weights(K, Cin, Cout)
	Dense                      // file and device [N, D, H, W, C]
)

// FileShape returns the shape in a file of a device tensor of shape s.
func (l Layout) FileShape(s device.Shape) []int {
	switch l {
	case ConvWeights:
		return []int{s.C, s.W, s.N, s.D, s.H}
	case ConvTWeights:
		return []int{s.W, s.C, s.N, s.D, s.H}
	case Dense:
		return []int{s.N, s.D, s.H, s.W, s.C}
	default:
		return []int{s.C}
	}
}

// check panics if a tensor of shape s cannot have this layout.
func (l Layout) check(s device.Shape) {
	if l == Vector && s != device.Vec(s.C) {
		panic(fmt.Sprintf("layers: a tensor of shape %v is no vector: Dense is the layout of any shape", s))
	}
}

// ToFile puts the elements of a device tensor of shape s in a file's order.
func (l Layout) ToFile(x []float32, s device.Shape) []float32 {
	return l.permute(x, s, func(y, x []float32, file, dev int) { y[file] = x[dev] })
}

// FromFile is the inverse of ToFile.
func (l Layout) FromFile(x []float32, s device.Shape) []float32 {
	return l.permute(x, s, func(y, x []float32, file, dev int) { y[dev] = x[file] })
}

func (l Layout) permute(x []float32, s device.Shape, move func(y, x []float32, file, dev int)) []float32 {
	if len(x) != s.Len() {
		panic(fmt.Sprintf("layers: %d values for a tensor of shape %v", len(x), s))
	}
	y := make([]float32, len(x))
	if l == Vector || l == Dense {
		copy(y, x)
		return y
	}
	k3 := s.N * s.D * s.H // kernel positions
	cin, cout := s.W, s.C
	for k := range k3 {
		for i := range cin {
			for o := range cout {
				file := (o*cin+i)*k3 + k
				if l == ConvTWeights {
					file = (i*cout+o)*k3 + k
				}
				move(y, x, file, (k*cin+i)*cout+o)
			}
		}
	}
	return y
}

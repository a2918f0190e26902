package device

import "fmt"

// Shape is the extent of a dense tensor: batch, three spatial axes, channels.
// Element (n,d,h,w,c) is at (((n·D+d)·H+h)·W+w)·C+c.
//
// Convolution weights use the same struct: N,D,H are the kernel's extents along
// D,H,W; W is the number of input channels, C the number of output channels
// (see Weights). A vector of c channels is Shape{1,1,1,1,c} (see Vec).
type Shape struct{ N, D, H, W, C int }

// Vec is the shape of a vector with c elements: a bias, a norm's scale, a mean.
func Vec(c int) Shape { return Shape{1, 1, 1, 1, c} }

// Scalar is the shape of a loss.
func Scalar() Shape { return Vec(1) }

// Weights is the shape of a k×k×k convolution's weights from cin to cout
// channels: element (kd,kh,kw,i,o) at (((kd·k+kh)·k+kw)·cin+i)·cout+o. A transposed
// convolution uses the same order with its own input and output channels.
func Weights(k, cin, cout int) Shape { return Shape{k, k, k, cin, cout} }

// Len is the number of elements.
func (s Shape) Len() int { return s.N * s.D * s.H * s.W * s.C }

// Rows is the number of elements of one channel: N·D·H·W.
func (s Shape) Rows() int { return s.N * s.D * s.H * s.W }

// Voxels is the number of voxels of one sample: D·H·W.
func (s Shape) Voxels() int { return s.D * s.H * s.W }

// WithC is s with c channels.
func (s Shape) WithC(c int) Shape { s.C = c; return s }

// Grid is s without batch and channels, to compare spatial extents.
func (s Shape) Grid() [3]int { return [3]int{s.D, s.H, s.W} }

// WithGrid is s with other extents along D, H and W.
func (s Shape) WithGrid(g [3]int) Shape { return Shape{s.N, g[0], g[1], g[2], s.C} }

func (s Shape) String() string {
	return fmt.Sprintf("[%d %d %d %d %d]", s.N, s.D, s.H, s.W, s.C)
}

// Tensor is a shape and the memory a backend gave for it. The zero Tensor means
// "none" where a method states that an argument is optional.
type Tensor struct {
	Shape
	Mem Mem
}

// Mem is a backend's own handle to a tensor's memory. Only the backend that made
// it may look inside.
type Mem interface {
	// Bytes is the size of the allocation.
	Bytes() int64
}

// None reports whether t is absent.
func (t Tensor) None() bool { return t.Mem == nil }

// Mode is what to do with a gradient.
type Mode uint8

const (
	Skip Mode = iota // not wanted: nothing is computed or written, the tensor may be absent
	Set              // overwrite
	Add              // add to what is there
)

func (m Mode) String() string {
	if m > Add {
		return fmt.Sprintf("mode %d", uint8(m))
	}
	return [...]string{"skip", "set", "add"}[m]
}

// Into is a place for a gradient. The zero Into skips.
type Into struct {
	Tensor
	Mode Mode

	// Mask, where there is one, is what a ReLU left in front of the operation, and the
	// gradient wanted is that in front of the ReLU: all elements where Mask is not positive
	// become 0, what was added to there too. Operations whose comment says so take one.
	Mask Tensor
}

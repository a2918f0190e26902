package device

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

type someMemory int

func (someMemory) Bytes() int64 { return 4 }

// What is wrong with a call is said with the package, the operation, all shapes and what they must be.
func TestCheckSays(t *testing.T) {
	next := 0
	alloc := func(s Shape) Tensor {
		next++
		return Tensor{s, someMemory(next)}
	}
	set := func(t Tensor) Into { return Into{Tensor: t, Mode: Set} }
	x, y := alloc(Shape{1, 4, 5, 6, 3}), alloc(Shape{1, 4, 5, 6, 7})
	w, dw := alloc(Weights(3, 3, 7)), alloc(Weights(3, 3, 7))
	foreign := alloc(x.Shape)
	own := func(t Tensor) string {
		if t.Mem == foreign.Mem {
			return "is not from this backend"
		}
		return ""
	}
	check := Ops(func(c *Call) { c.Check("test", own) })
	slot := AdamSlot{W: alloc(Vec(3)), Grad: alloc(Vec(3)), M: alloc(Vec(3)), V: alloc(Vec(3))}
	for want, call := range map[string]func(){
		"test: Conv: y [1 4 5 6 7], x [1 4 5 6 3], w [3 3 3 3 7], b [1 1 1 1 2]: b must be [1 1 1 1 7], a value for each output channel": func() {
			check.Conv(y, x, w, alloc(Vec(2)), Conv3x3x3, Linear)
		},
		"test: Conv: y [1 4 5 6 7], x [1 4 5 6 3], w [3 3 3 3 7], b absent: with {K:3 Stride:2 Pad:1} on [1 4 5 6 3], weights must be [3 3 3 3 7] and the result [1 2 3 3 7]": func() {
			check.Conv(y, x, w, Tensor{}, ConvParams{3, 2, 1}, Linear)
		},
		"test: Conv: y [1 4 5 6 7], x [1 4 5 6 3], w [3 3 3 3 7], b absent: there is no convolution with {K:3 Stride:0 Pad:1}": func() {
			check.Conv(y, x, w, Tensor{}, ConvParams{3, 0, 1}, Linear)
		},
		"test: Conv: w is absent":                                                                             func() { check.Conv(y, x, Tensor{}, Tensor{}, Conv3x3x3, Linear) },
		"test: Conv: x [1 4 5 6 3] is not from this backend":                                                  func() { check.Conv(y, foreign, w, Tensor{}, Conv3x3x3, Linear) },
		"test: ConvGradW: dw: there is no mode 3":                                                             func() { check.ConvGradW(Into{Tensor: dw, Mode: 3}, Into{}, x, y, Conv3x3x3) },
		"test: ReLUGrad: an output [1 4 5 6 3] shares its memory with [1 4 5 6 3]: dx is in dy":               func() { check.ReLUGrad(Into{Tensor: x, Mode: Add}, x, alloc(x.Shape)) },
		"test: Adam: an output [1 1 1 1 3] shares its memory with [1 1 1 1 3]: W of slot 0 is in W of slot 1": func() { check.Adam([]AdamSlot{slot, slot}, AdamOptions{Step: 1}) },
		"test: Adam: step 0, the first one is 1":                                                              func() { check.Adam([]AdamSlot{slot}, AdamOptions{}) },
	} {
		require.PanicsWithValue(t, want, call)
	}
	require.NotPanics(t, func() {
		check.Conv(y, x, w, Tensor{}, Conv3x3x3, ReLU)
		check.ConvGradW(set(dw), Into{Tensor: y}, x, y, Conv3x3x3)
		check.ConvGradW(Into{}, Into{}, x, Tensor{}, ConvParams{})
		check.ReLUGrad(set(x), x, alloc(x.Shape))
		check.Adam([]AdamSlot{slot}, AdamOptions{Step: 1})
		check.Adam(nil, AdamOptions{Step: 1})
	}, "a gradient that is skipped is not looked at, and one that is Set may take dy's place")
}

func TestCallsAreDescribed(t *testing.T) {
	var calls []*Call
	do := Ops(func(c *Call) { calls = append(calls, c) })
	x, y, w := Tensor{Shape{2, 4, 4, 4, 3}, someMemory(1)}, Tensor{Shape{2, 4, 4, 4, 5}, someMemory(2)}, Tensor{Weights(3, 3, 5), someMemory(3)}
	do.Conv(y, x, w, Tensor{}, Conv3x3x3, Linear)
	do.ConvGradW(Into{Tensor: w, Mode: Set}, Into{}, x, y, Conv3x3x3)
	do.ConvGradW(Into{}, Into{Tensor: Tensor{Vec(5), someMemory(4)}, Mode: Add}, x, y, Conv3x3x3)
	do.ConvGradX(Into{}, y, w, Conv3x3x3)
	require.EqualValues(t, 2*2*64*27*15, calls[0].Flops)
	require.EqualValues(t, 2*2*64*27*15, calls[1].Flops)
	require.Zero(t, calls[2].Flops, "the bias alone")
	require.EqualValues(t, 4*(2*64*5+2*5), calls[2].Bytes)
	require.False(t, calls[2].Idle())
	require.True(t, calls[3].Idle())
	require.Equal(t, "[y x w b]", fmt.Sprint(calls[0].Args))

	// A change through Args is in the call that Run makes.
	*calls[0].Args[1].Tensor = y
	var ran *Call
	calls[0].Run(Ops(func(c *Call) { ran = c }))
	require.Equal(t, y, *ran.Args[1].Tensor)
}

func TestCheckShape(t *testing.T) {
	require.NotPanics(t, func() { CheckShape("test", Shape{1, 2, 3, 4, 5}) })
	for _, s := range []Shape{{}, {1, 1, 1, 1, 0}, {1, -2, -3, 1, 1}, {1 << 21, 1 << 21, 1 << 21, 2, 1}, {1 << 62, 1, 1, 1, 4}, {3, 1 << 40, 1, 1 << 40, 1}} {
		require.PanicsWithValue(t, fmt.Sprintf("test: Alloc: no such shape: %v", s), func() { CheckShape("test", s) })
	}
}

func BenchmarkCheck(b *testing.B) {
	x, y, w := Tensor{Shape{1, 4, 5, 6, 3}, someMemory(1)}, Tensor{Shape{1, 4, 5, 6, 7}, someMemory(2)}, Tensor{Weights(3, 3, 7), someMemory(3)}
	do := Ops(func(c *Call) { c.Check("test", func(Tensor) string { return "" }) })
	b.ReportAllocs()
	for b.Loop() {
		do.Conv(y, x, w, Tensor{}, Conv3x3x3, ReLU)
	}
}

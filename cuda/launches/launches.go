// Package launches lists what the CUDA backend launches: its Recorder is a driver that launches nothing and notes every
// kernel with its geometry, its arithmetic and its bytes.
package launches

import (
	"strings"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/memplan"
)

// Launch is one launch of a kernel.
type Launch struct {
	Kernel string
	driver.Launch
	Flops   float64 // of a product by its definition, 2 for each term
	Outputs float64 // sums that a product makes; of one class of positions, where a tensor is scattered
	Rounds  float64 // tiles that a product on tensor cores copies to shared memory, counted for each warp
	Copied  int64   // bytes of them
	Bytes   int64   // of all tensors and workspaces it has, each once, as far as it touches them
	Taps    int64   // of these the tap products of trilinear sources: slabs written and read again at once, that fit the L2 cache of a large card

	positions  float64              // of the window of a gradient of weights on tensor cores, those that its blocks have beyond the window too
	executed   float64              // see Executed; 0 where it follows from the tiles
	touched    map[driver.Ptr]int64 // of allocations
	Workspaces int64                // of the workspaces among them, and of what a product's last step reads in passing: a mask, the source of a norm
}

// Product reports whether the kernel is the arithmetic of a convolution.
func (l Launch) Product() bool {
	return strings.HasPrefix(l.Kernel, "conv_") && l.Kernel != "conv_parts" ||
		strings.HasPrefix(l.Kernel, "grad_") && l.Kernel != "grad_finish" || l.onTensorCores() || l.fewSided()
}

// Multiplies reports whether a kernel's main loop is a matrix product: of a convolution, or of weights with weights.
func (l Launch) Multiplies() bool { return l.Product() || l.ofWeights() }

// ofWeights reports whether the kernel is a product of weights with weights: kernels/products.cu and products_tf32.cu.
func (l Launch) ofWeights() bool { return strings.HasPrefix(l.Kernel, "products_") }

func (l Launch) onTensorCores() bool {
	for _, k := range []string{"mma_bf16_", "mma_tf32_", "mma_grad_"} {
		if strings.HasPrefix(l.Kernel, k) {
			return true
		}
	}
	return false
}

// arithmetic is what a product of these arguments does.
func (l *Launch) arithmetic(args []any) {
	if l.ofWeights() {
		terms := 8.0 // of positions of a window of 2³ times, in three of five products, 27 of one of 3³
		if args[6].(int) < 3 {
			terms *= 27
		}
		m, n, k := args[9].(int), args[10].(int), args[11].(int)
		l.Flops = 2 * terms * float64(m*n*k)
		if strings.Contains(l.Kernel, "_tf32_") {
			k = (k + 31) / 32 * 32
		}
		l.executed = 2 * terms * float64(l.Grid.X*l.Grid.Y*48*48*k)
	}
	if !l.Product() {
		return
	}
	of := func(at ...int) (n float64) {
		n = 1
		for _, i := range at {
			n *= float64(args[i].(int))
		}
		return n
	}
	at := func(i int) int { return args[i].(int) }
	bf16 := strings.Contains(l.Kernel, "_bf16_")
	switch {
	case l.fewSided():
		l.fewArithmetic(args)
		return
	case strings.HasPrefix(l.Kernel, "grad_"):
		l.Outputs = of(7, 12, 13, 13, 13) // channels, k³
		l.Flops = 2 * l.Outputs * of(8)
		return
	case strings.HasPrefix(l.Kernel, "mma_grad_"):
		l.Outputs = of(7, 13, 14, 14, 14)
		l.Flops = 2 * l.Outputs * of(8, 9, 10, 11) // voxels
		side, deep, apart := at(22), at(23), at(15)
		if at(24) > 1 { // of every remainder modulo the stride
			apart = 1
		}
		parts := l.Grid.Z / ((at(20) + at(21) - 1) / at(21)) // of the window
		l.positions = float64(parts * l.Block.X / 32)
		l.Rounds = float64(l.Grid.X*l.Grid.Y*parts*l.Block.X/32) * of(20)
		// Of each tile both tensors' channels of the block: 48 in 96 or 192 bytes.
		d, h, w := at(19)+deep-1, (1<<at(18)-1)*apart+side, (1<<at(17)-1)*apart+side
		voxels := d*h*w + at(19)<<(at(17)+at(18))
		l.Copied = int64(l.Grid.X*l.Grid.Y) * int64(parts*at(20)*voxels) * 96
		if !bf16 {
			l.Copied *= 2
		}
		return
	}
	// Voxels and channels of y, k³.
	l.Outputs = of(4, 9, 10, 11, 12)
	l.Flops = 2 * l.Outputs * of(8, 13, 13, 13)
	classes, phases := of(14, 14, 14), 1.0
	if args[16].(bool) {
		l.Flops, l.Outputs = l.Flops/classes, l.Outputs/classes
	} else {
		classes, phases = 1, classes
	}
	if !l.onTensorCores() {
		return
	}
	// Of a channel of x there are bytes alone, whole steps of 32.
	l.Flops /= 4
	if bf16 {
		l.Flops *= 2
	}
	k := (at(13) + at(14) - 1) / at(14) // of a phase or a class
	l.Rounds = float64(l.Grid.X*l.Grid.Y*l.Block.X/32) * classes * phases * float64((at(8)+95)/96)
	box := 256>>(at(17)+at(18)) + k - 1
	l.Copied = int64(float64(l.Grid.X*l.Grid.Y)*classes*phases) * int64(box*(1<<at(17)+k-1)*(1<<at(18)+k-1)*at(8))
}

// tiles are the sums that a block makes, by the end of a product's name.
var tiles = map[string]float64{"wide": 128 * 96, "mid": 128 * 48, "slim": 256 * 24, "thin": 256 * 4, "square": 32 * 32,
	"96": 256 * 96, "48": 256 * 48, "32x48": 256 * 48, "24": 256 * 24}

// Executed is the arithmetic of a product that is done, that of a tile's empty rows and columns included.
func (l Launch) Executed() float64 {
	if l.executed > 0 {
		return l.executed
	}
	tile := tiles[l.Kernel[strings.LastIndexByte(l.Kernel, '_')+1:]]
	if strings.HasPrefix(l.Kernel, "mma_grad_") {
		tile *= 48. / 256 * l.positions
	}
	if l.Outputs == 0 || tile == 0 {
		return l.Flops
	}
	return l.Flops * max(1, float64(l.Grid.X)*float64(l.Grid.Y)*tile/l.Outputs)
}

// passing is the argument that a product reads where it stores its result: the mask, which is the source whose norm's
// gradient is added, or else that source.
func (l Launch) passing(args []any) int {
	z, mask := l.last()
	switch {
	case z < 0:
		return -1
	case args[mask] != driver.Ptr(0):
		return mask
	}
	return z
}

// last are the arguments that a product's last step reads, the source of a norm and a mask; negative where there is none.
func (l Launch) last() (z, mask int) {
	switch {
	case l.Kernel == "conv_parts" || l.Kernel == "mma_finish":
		return 10, 12
	case strings.HasPrefix(l.Kernel, "conv_"):
		return 22, 24
	case l.onTensorCores() && !strings.HasPrefix(l.Kernel, "mma_grad_"):
		return 26, 28
	case l.Kernel == "wide_to_few_mma":
		return 5, 5
	case l.Kernel == "few_to_wide_mma":
		return 3, 3
	case l.fewSided() && !strings.HasPrefix(l.Kernel, "few_grad_"):
		return 4, 4
	}
	return -1, -1
}

// share is what a launch touches of tensor i among its arguments, where that is not the whole.
func (l Launch) share(i int, args []any) float64 {
	of := func(n, all int) float64 { return float64(args[n].(int)) / float64(args[all].(int)) }
	z, mask := l.last()
	switch {
	case strings.HasPrefix(l.Kernel, "maxpool_grad") && i == 4 && args[4] == args[2], !l.Product() && i == mask && args[mask] == args[z]:
		return 0 // a mask that is read already
	case strings.HasPrefix(l.Kernel, "border_sums") && i == 1:
		inner := 1.0
		for _, n := range args[3:6] {
			inner *= 1 - 2/float64(n.(int))
		}
		return 1 - inner
	case l.ofWeights() && i == 2: // a source's channels of the weights
		return float64(args[10].(int)*args[11].(int)) / float64(args[15].(int))
	case l.Kernel == "catconv_taps" && i == 1: // a source's channels of the weights
		return of(9, 7)
	case l.Kernel == "catconv_grads" && (i == 0 || i == 12): // a source's channels of the weights and their gradients
		return float64(l.Grid.X) / float64(args[20].(int))
	case strings.HasPrefix(l.Kernel, "mma_weights_") && i == 1 && args[10].(bool):
		return of(9, 11)
	case strings.HasPrefix(l.Kernel, "mma_weights_") && i == 1:
		return of(8, 11)
	case l.Kernel == "pack_weights" && i == 1 && args[9].(bool):
		return of(8, 10)
	case l.Kernel == "pack_weights" && i == 1:
		return of(7, 10)
	}
	return 1
}

// extent is what a launch touches of tensor i among its arguments, of which it may have a slab alone, or no more than size.
func (l Launch) extent(i int, args []any, size int64) int64 {
	count := func(bytes int64, at ...int) int64 {
		for _, k := range at {
			bytes *= int64(args[k].(int))
		}
		return min(bytes, size)
	}
	of := func(at ...int) int64 { return count(4, at...) }
	vectors := func(at int) int64 {
		n := 4 * int64(args[at].(uint32))
		if strings.Contains(l.Kernel, "_v4") {
			n *= 4
		}
		if strings.HasSuffix(l.Kernel, "_bf16") {
			n /= 2
		}
		return n
	}
	fp32 := l.Product() && !l.onTensorCores()
	z, _ := l.last()
	switch {
	case l.onTensorCores() && z > 0 && i == 0: // of every share of the sum; of bf16 two bytes
		return count(4>>(args[24].(int)&1), 4, 9, 10, 11, 12, 19)
	case l.onTensorCores() && z > 0 && i == 1:
		return count(1, 4, 5, 6, 7, 8)
	case l.Kernel == "conv_parts" && i == 0: // maybe some planes
		return of(3)
	case fp32 && strings.HasPrefix(l.Kernel, "conv_") && i == 0 && args[25] == driver.Ptr(0):
		return of(4, 9, 10, 11, 12, 26) // of every share of the sum
	case fp32 && strings.HasPrefix(l.Kernel, "conv_") && i == 1:
		return of(4, 5, 6, 7, 8)
	case fp32 && strings.HasPrefix(l.Kernel, "grad_") && i == 3:
		return of(8, 12)
	case strings.HasPrefix(l.Kernel, "tri_combine") && i == 0, strings.HasPrefix(l.Kernel, "tri_gather") && i == 1:
		return min(size, 8*vectors(3-i))
	case strings.HasPrefix(l.Kernel, "tri_combine") && i == 1, strings.HasPrefix(l.Kernel, "tri_gather") && i == 0:
		return min(size, 27*vectors(2+i))
	}
	return int64(l.share(i, args) * float64(size))
}

// Recorder is a driver that launches nothing and notes every launch. A backend on it must be made with
// cuda.WithoutPool, so that an allocation has the size of its tensor.
type Recorder struct {
	*memplan.Device
	sizes   map[driver.Ptr]int64
	tensors map[driver.Ptr]bool

	tapProducts driver.Ptr // the workspace that has them, while it is there

	Launches []Launch
}

// NewRecorder makes a Recorder of a device that calls itself info.
func NewRecorder(info driver.Info) *Recorder {
	return &Recorder{Device: memplan.New(info), sizes: map[driver.Ptr]int64{}, tensors: map[driver.Ptr]bool{}}
}

// holding is the allocation that an address is in, and what is left of it from there on.
func (r *Recorder) holding(p driver.Ptr) (base driver.Ptr, size int64) {
	if n, ok := r.sizes[p]; ok {
		return p, n
	}
	for base, n := range r.sizes {
		if p > base && p < base+driver.Ptr(n) {
			return base, n - int64(p-base)
		}
	}
	return p, 0
}

// taps notes that an allocation has tap products.
func (r *Recorder) taps(base driver.Ptr) {
	for i := len(r.Launches) - 1; i >= 0; i-- {
		l := &r.Launches[i]
		l.Taps += l.touched[base]
		delete(l.touched, base)
	}
}

// Tensor says that an allocation is no workspace.
func (r *Recorder) Tensor(p driver.Ptr) { r.tensors[p] = true }

// Alloc notes the size.
func (r *Recorder) Alloc(n int64) (driver.Ptr, error) {
	p, err := r.Device.Alloc(n)
	r.sizes[p] = n
	return p, err
}

// Free forgets it.
func (r *Recorder) Free(p driver.Ptr) error {
	delete(r.sizes, p)
	delete(r.tensors, p)
	if p == r.tapProducts {
		r.tapProducts = 0
	}
	return r.Device.Free(p)
}

// Launch notes a launch.
func (r *Recorder) Launch(k driver.Kernel, l driver.Launch, args ...any) error {
	at := Launch{Kernel: k.Name(), Launch: l, touched: map[driver.Ptr]int64{}}
	if err := k.Check(l, args...); err != nil {
		return err
	}
	at.arithmetic(args)
	for i, a := range args {
		if p, ok := a.(driver.Ptr); ok && p != 0 {
			base, size := r.holding(p)
			n := at.extent(i, args, size)
			at.Bytes += n
			at.touched[base] += n
			if !r.tensors[base] || i == at.passing(args) {
				at.Workspaces += n
			}
		}
	}
	r.Launches = append(r.Launches, at)
	switch {
	case strings.HasPrefix(at.Kernel, "tri_combine"):
		r.tapProducts, _ = r.holding(args[1].(driver.Ptr))
	case strings.HasPrefix(at.Kernel, "tri_gather"):
		r.tapProducts, _ = r.holding(args[0].(driver.Ptr))
	}
	if r.tapProducts != 0 {
		r.taps(r.tapProducts)
	}
	return r.Device.Launch(k, l, args...)
}

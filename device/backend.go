package device

// Backend is everything a device must do. It is put together from small
// interfaces so that a caller can ask for what it needs, and so that package
// devicetest can hold one table of cases per interface.
//
// A Backend may be used by several goroutines; calls take effect in the order
// in which they were made by each, and one caller's work is never interleaved
// with another's on the same tensor without both having asked for it.
type Backend interface {
	Memory
	Conv
	BatchNorm
	Pool
	Up
	Channels
	Loss
	Optimizer
	Random
	Imaging
}

// Memory allocates, moves and inspects tensors.
type Memory interface {
	// Name is what a user would call the device: "cpu (avx2, 2 threads)".
	Name() string

	// Alloc gives memory for a tensor. What it holds is undefined.
	// When the device has not enough memory the failure sticks (see Sync), and
	// the tensor returned may only be passed back to this backend.
	Alloc(s Shape) Tensor

	// Free gives the memory back; it may be reused at once by later calls.
	// Freeing the zero Tensor does nothing; freeing twice panics.
	Free(t Tensor)

	// Upload copies len(src) = t.Len() values to the device.
	Upload(t Tensor, src []float32)

	// Download copies t.Len() = len(dst) values to the host, after all earlier
	// calls that write t have finished.
	Download(dst []float32, t Tensor)

	// Fill sets every element to v.
	Fill(t Tensor, v float32)

	// Copy: dst[i] = src[i] (Set) or dst[i] += src[i] (Add). Same number of elements.
	Copy(dst Into, src Tensor)

	// NonFinite counts: count[0] = number of i where x[i] is NaN or infinite.
	// count has shape Scalar. Counts above 2²⁴ may be rounded.
	NonFinite(count Tensor, x Tensor)

	// Usage tells what this backend has allocated and not freed, and the most it
	// ever held since ResetPeak, in bytes.
	Usage() (now, peak int64)
	ResetPeak()

	// Sync waits for all earlier calls and returns the first failure, if any.
	Sync() error

	// Close gives everything back. The backend must not be used afterwards.
	Close() error
}

// Conv is convolution and transposed convolution, each with its two gradients.
// x: [N D H W Cin], w: Weights(K, Cin, Cout), b: Vec(Cout) or none.
type Conv interface {
	// Conv, for every n, output voxel (d,h,w) and output channel o:
	//
	//	s = b[o]
	//	for kd, kh, kw, i:
	//	    z = (d,h,w)·Stride + (kd,kh,kw) − Pad
	//	    if z inside x: s += x[n,z,i] · w[kd,kh,kw,i,o]
	//	y[n,d,h,w,o] = act(s)
	Conv(y, x, w, b Tensor, win ConvParams, act Act)

	// ConvGradX, the adjoint of Conv in x (act is the caller's affair, see ReLUGrad):
	//
	//	dx[n,z,i] += dy[n,d,h,w,o] · w[kd,kh,kw,i,o]   over the same index set
	ConvGradX(dx Into, dy, w Tensor, win ConvParams)

	// ConvGradW, the adjoint in w and b:
	//
	//	dw[kd,kh,kw,i,o] += x[n,z,i] · dy[n,d,h,w,o]
	//	db[o]            += dy[n,d,h,w,o]
	ConvGradW(dw, db Into, x, dy Tensor, win ConvParams)

	// ConvT is the transposed convolution. For every n, input voxel (d,h,w),
	// kernel position and channels i, o (y starts as b[o] everywhere):
	//
	//	z = (d,h,w)·Stride + (kd,kh,kw) − Pad
	//	if z inside y: y[n,z,o] += x[n,d,h,w,i] · w[kd,kh,kw,i,o]
	ConvT(y, x, w, b Tensor, win ConvParams)

	// ConvTGradX:  dx[n,d,h,w,i] += dy[n,z,o] · w[kd,kh,kw,i,o]
	ConvTGradX(dx Into, dy, w Tensor, win ConvParams)

	// ConvTGradW:  dw[kd,kh,kw,i,o] += x[n,d,h,w,i] · dy[n,z,o];  db[o] += dy[n,z,o], each voxel of y once
	ConvTGradW(dw, db Into, x, dy Tensor, win ConvParams)

	// ReLUGrad: dx[i] = dy[i] if y[i] > 0, else 0. dx may be dy with mode Set.
	ReLUGrad(dx Into, dy, y Tensor)
}

// BatchNorm is batch normalisation, split so that training, evaluation and frozen
// statistics are combinations of the same four calls. All vectors are Vec(C).
type BatchNorm interface {
	// BatchNormStats, over the M = N·D·H·W values of each channel:
	//
	//	mean[c]   = Σ x / M
	//	var       = Σ (x − mean[c])² / M
	//	invstd[c] = 1/√(var + eps)
	//	runMean[c] = (1−momentum)·runMean[c] + momentum·mean[c]
	//	runVar[c]  = (1−momentum)·runVar[c]  + momentum·var·M/(M−1)
	//
	// The running tensors are changed in place; both may be none. With M = 1 the
	// running variance takes var itself.
	BatchNormStats(mean, invstd, x, runMean, runVar Tensor, eps, momentum float64)

	// BatchNormInvStd: invstd[c] = 1/√(variance[c] + eps)
	BatchNormInvStd(invstd, variance Tensor, eps float64)

	// BatchNormApply: y = (x − mean[c])·invstd[c]·gamma[c] + beta[c]. y may be x.
	BatchNormApply(y, x, gamma, beta, mean, invstd Tensor)

	// BatchNormGrad, with x̂ = (x − mean[c])·invstd[c]:
	//
	//	dbeta[c]  = Σ dy
	//	dgamma[c] = Σ dy·x̂
	//	dx = gamma[c]·invstd[c]·(dy − dbeta[c]/M − x̂·dgamma[c]/M)
	//
	// If fixed, the statistics did not depend on x (evaluation mode) and the two
	// subtracted terms are absent. dx may be dy with mode Set.
	BatchNormGrad(dx, dgamma, dbeta Into, dy, x, gamma, mean, invstd Tensor, fixed bool)
}

// Pool is max-pooling over 2³ voxels with stride 2; a trailing odd plane is dropped.
type Pool interface {
	// MaxPool: y[n,d,h,w,c] = max of x[n,2d+i,2h+j,2w+k,c], i,j,k in {0,1}; NaN if
	// one of the eight is
	MaxPool(y, x Tensor)

	// MaxPoolGrad: dy goes to the first of the eight (i, then j, then k slowest to
	// fastest) that equals y; all other elements of dx, dropped planes included,
	// get 0.
	MaxPoolGrad(dx Into, dy, x, y Tensor)
}

// Up is trilinear upsampling by two, align_corners = false: along each axis
//
//	out[2i]   = ¾·in[i] + ¼·in[max(i−1, 0)]
//	out[2i+1] = ¾·in[i] + ¼·in[min(i+1, n−1)]
type Up interface {
	// Upsample: y[n,:,:,:,c] is x[n,:,:,:,c] interpolated along D, H and W.
	Upsample(y, x Tensor)

	// UpsampleGrad is the transpose of that linear map.
	UpsampleGrad(dx Into, dy Tensor)
}

// Channels joins and splits channels.
type Channels interface {
	// Concat: y[...,c] = a[...,c] for c < a.C, else b[...,c−a.C].
	Concat(y, a, b Tensor)

	// Split: da, db receive their channels of dy.
	Split(da, db Into, dy Tensor)
}

// DiceOptions chooses among the segmentation losses.
type DiceOptions struct {
	Eps            float64 // e in the formula
	ForegroundOnly bool    // mean over the last channel alone instead of all
	CrossEntropy   float64 // weight of the added cross-entropy
}

// Loss turns a network's output into one number and back. loss and dloss are
// Scalar tensors on the device.
type Loss interface {
	// Softmax over channels: p[r,c] = exp(x[r,c] − max) / Σ. p may be x.
	Softmax(p, x Tensor)

	// DiceLoss, softmax and soft Dice (and cross-entropy) in one. g has x's shape
	// and holds the target of each channel, usually 0 or 1. With
	// p = softmax(x) and, per channel, sums over batch and voxels
	//
	//	I = Σ p·g,  P = Σ p,  G = Σ g
	//	loss = 1 − mean over c of (2I + Eps)/(P + G + Eps)
	//	     + CrossEntropy · (−1/R) Σ over rows r and channels c of g·log p
	//
	// R = rows of x. log p is computed as x − max − log Σ. sums, Vec(3·C), keeps I, P, G
	// (I of all channels first) for the gradient; prob, optional, receives p.
	DiceLoss(loss, sums, prob, x, g Tensor, opt DiceOptions)

	// DiceLossGrad: dx = dloss[0] · ∂loss/∂x, through the softmax. dx may not be x.
	DiceLossGrad(dx Into, dloss, sums, x, g Tensor, opt DiceOptions)

	// MSE: loss = Σ (x − g)² / number of elements
	MSE(loss, x, g Tensor)

	// MSEGrad: dx = dloss[0] · 2(x − g) / number of elements
	MSEGrad(dx Into, dloss, x, g Tensor)
}

// AdamSlot is one parameter with its gradient and two moments, all of one shape.
type AdamSlot struct{ W, Grad, M, V Tensor }

// AdamOptions are the hyperparameters of one update.
type AdamOptions struct {
	Step                  int // 1 for the first update
	LR, Beta1, Beta2, Eps float64
}

// Optimizer updates parameters.
type Optimizer interface {
	// Adam, for every element of every slot:
	//
	//	m = Beta1·m + (1−Beta1)·g
	//	v = Beta2·v + (1−Beta2)·g²
	//	w −= LR · (m/(1−Beta1^Step)) / (√(v/(1−Beta2^Step)) + Eps)
	Adam(slots []AdamSlot, opt AdamOptions)
}

// Random is everything that draws numbers. Numbers come from Philox4x32-10
// (internal/rng): the element with linear index i uses the word i mod 4 of the
// block with counter i div 4 under the given key, on every device.
type Random interface {
	// Dropout: y[i] = x[i]/(1−p) if u(key,i) ≥ p, else 0, with u the word divided
	// by 2³² (compared as an integer: word ≥ ⌊p·2³²⌋). p is in [0, 1). y may be x.
	Dropout(y, x Tensor, p float64, key uint64)

	// DropoutGrad: dx[i] = dy[i]/(1−p) if kept, else 0. dx may be dy with mode Set.
	DropoutGrad(dx Into, dy Tensor, p float64, key uint64)
}

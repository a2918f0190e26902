package device

// Imaging is what augmentation and synthesis do to images, forward only. Axis
// 0 is D, 1 is H, 2 is W. Where x has more than one sample or channel, each is
// treated alike and by itself, unless a method says otherwise.
type Imaging interface {
	Spatial
	Intensity
	KSpace
	Region
	Batch
}

// Matrix is the shape of a matrix: element (p,q) at p·cols+q.
func Matrix(rows, cols int) Shape { return Shape{1, 1, 1, rows, cols} }

// Spatial moves voxels, or mixes voxels of one line.
type Spatial interface {
	// AlongAxis multiplies every line of x along an axis by m, Matrix(rows, cols), with
	// cols = the extent of x along that axis and rows = the extent of y. Along W:
	//
	//	y[n,d,h,p,c] = Σ_q m[p,q] · x[n,d,h,q,c]       (Set; Add adds to what is there)
	//
	// Convolutions with any border, resampling on a regular grid and discrete Fourier
	// transforms are such products, and their matrices are made once per image in
	// float64 by the caller. A backend may skip coefficients that are zero: x must be finite.
	// Every sum is taken and rounded in the same way, over rising q, so that sums of terms
	// that are equal, or opposite, come out equal, or opposite, to the bit: Peak's ties need it.
	AlongAxis(y Into, x, m Tensor, axis int)

	// Orient: y[i] = x[j] with j[perm[a]] = i[a], or y's extent − 1 − i[a] where flip[a].
	// perm is a permutation of the three axes: y's extent along a is x's along perm[a].
	Orient(y, x Tensor, perm [3]int, flip [3]bool)

	// Resample, for every voxel i of y, with the point
	//
	//	c[a] = Σ_b to[a][b]·i[b] + to[a][3]
	//
	// of x (n its extents): if −0.5 ≤ c[a] < n[a] − 0.5 for every a, y[i] is x interpolated
	// linearly at c, each c[a] first limited to [0, n[a]−1]; else y[i] = outside[0]. Points are
	// computed in float64, as ((to[a][0]·i[0] + to[a][1]·i[1]) + to[a][2]·i[2]) + to[a][3].
	Resample(y, x, outside Tensor, to [3][4]float64)
}

// Intensity changes values where they are.
type Intensity interface {
	// Blend: y[i] = a·x[i] + b·z[i]. y may be x or z.
	Blend(y, x, z Tensor, a, b float64)

	// Min: least[0] = the smallest element of x, all samples and channels; NaN if one is NaN.
	Min(least, x Tensor)

	// BiasField multiplies x by the exponential of a polynomial of the position:
	//
	//	u[a] = (i[a] − (n[a]−1)/2) / ((n[a]−1)/2), 0 where n[a] = 1
	//	y[i] = x[i] · exp(Σ coef[k] · u[0]^p · u[1]^q · u[2]^r)
	//
	// over p = 0..order, q = 0..order−p, r = 0..order−p−q, r fastest, k counting along.
	// coef is Vec((order+1)(order+2)(order+3)/6), order 0..4. The sum is computed in float64.
	// y may be x.
	BiasField(y, x, coef Tensor, order int)

	// Noise: y[i] = x[i] + sd · z(key, i), z standard normal: rng.Normal32, the same
	// bits on every device. i is the linear index. y may be x.
	Noise(y, x Tensor, sd float64, key uint64)
}

// KSpace is for transforms that look at single frequencies. Positions count
// from the lowest frequency: position q along an axis of n holds frequency q − n/2
// (rounded down). re and im have one sample and one channel; the image of Wave may have more.
type KSpace interface {
	// KSpacePeak: peak, Vec(2), is the largest element of the complex array re + i·im: the one with
	// the largest real part and, of those, with the largest imaginary part.
	KSpacePeak(peak, re, im Tensor)

	// KSpaceSpike: re[at] += ratio·peak[0], im[at] += ratio·peak[1].
	KSpaceSpike(re, im, peak Tensor, at [3]int, ratio float64)

	// SpikeInImage adds what a spike of ratio·peak at a position becomes in each image, with M = D·H·W
	// and f[a] = at[a] − n[a]/2 (rounded down):
	//
	//	φ = 2π · Σ_a f[a]·i[a]/n[a]
	//	y[i] = x[i] + ratio/M · (peak[0]·cos φ − peak[1]·sin φ)
	//
	// y may be x. Every phase is reduced to one turn in integers before it is rounded.
	SpikeInImage(y, x, peak Tensor, at [3]int, ratio float64)
}

// Region works on the voxels where a mask is above one half; a NaN is not. mask has x's shape.
type Region interface {
	// RegionStats: stats, Vec(2), receives the mean and the standard deviation (divided by the
	// number of voxels) of x inside the mask, over all samples and channels; 0, 0 if it is empty.
	// Sums are in float64.
	RegionStats(stats, x, mask Tensor)

	// RegionNoise: y[i] = stats[0] + stats[1]·z(key, i) inside the mask, else x[i], z as in
	// Noise. y may be x.
	RegionNoise(y, x, mask, stats Tensor, key uint64)

	// Select: y[i] = a[i] inside the mask, else b[i]. y may be a or b.
	Select(y, mask, a, b Tensor)
}

// Batch moves single samples into and out of batches.
type Batch interface {
	// PutSample: sample n of batch = x, which has one sample.
	PutSample(batch Tensor, n int, x Tensor)

	// TakeSample: x, which has one sample, = sample n of batch.
	TakeSample(x, batch Tensor, n int)
}

// What the convolutions that gather share: their arguments, where a row of the product
// reads and writes, and the last step of a tile.
//
// Where the output alone makes too few blocks, the sum is split: a block takes a share of the stages and stores
// its part behind those of the shares before it; conv_parts.cu adds them.
#pragma once
#include "gemm.cuh"

struct Problem {
	float *y;
	const float *x, *w, *bias;
	int batch, di, hi, wi, ci;             // x: its channels are summed over
	int dout, ho, wo, co;                  // y
	int k, stride, pad, scattered;         // window
	int wrows, wpitch;                     // w: rows of a kernel position, length of a row
	int relu, add, table;                  // table: bias has a row for each presence
	const float *z, *zscale;               // y += zscale[c]·z, of y's shape; may be null
	const float *mask;                     // of y's shape: y is 0 where it is not positive; may be null
	double *moments;                       // instead of y: see there; may be null
	int splits, share;                     // of the sum: how many, and stages of each
};

// A block is one of splits for its class of output positions.
static __device__ __forceinline__ int output_class(const Problem &p) { return blockIdx.z / p.splits; }
static __device__ __forceinline__ int split_number(const Problem &p) { return blockIdx.z % p.splits; }

struct Axes {
	Axis d, h, w;
};

static __device__ __forceinline__ Axes axes(const Problem &p) {
	if (!p.scattered)
		return {gather(p.dout, p.k, p.stride, p.pad), gather(p.ho, p.k, p.stride, p.pad), gather(p.wo, p.k, p.stride, p.pad)};
	int c = output_class(p), s = p.stride;
	return {scatter(p.dout, p.k, s, p.pad, c / (s * s)), scatter(p.ho, p.k, s, p.pad, c / s % s), scatter(p.wo, p.k, s, p.pad, c % s)};
}

// Place is where a row reads: the input voxel of kernel position 0 and its address.
struct Place {
	int d, h, w;
	const float *x;
};

// Rows are the output voxels of a tile: their numbers, -1 for none, and which of their neighbours exist.
template <int N> struct Rows {
	int voxel[N];
	unsigned char presence[N];
};

// place finds row m; outside, no voxel is ever inside.
template <int N> static __device__ __forceinline__ Place place(const Problem &p, const Axes &a, int m, Rows<N> &rows, int row, bool keep) {
	int w = m % a.w.n, r = m / a.w.n;
	int h = r % a.h.n;
	r /= a.h.n;
	int d = r % a.d.n, n = r / a.d.n;
	if (n >= p.batch) {
		if (keep)
			rows.voxel[row] = -1;
		return {-(1 << 30), 0, 0, p.x};
	}
	if (keep) {
		int od = d * a.d.stride + a.d.first, oh = h * a.h.stride + a.h.first, ow = w * a.w.stride + a.w.first;
		rows.voxel[row] = ((n * p.dout + od) * p.ho + oh) * p.wo + ow;
		rows.presence[row] = presence(od, p.dout) << 4 | presence(oh, p.ho) << 2 | presence(ow, p.wo);
	}
	Place q = {d * a.d.step + a.d.off, h * a.h.step + a.h.off, w * a.w.step + a.w.off, nullptr};
	q.x = p.x + (((i64)n * p.di + q.d) * p.hi + q.h) * p.wi * (i64)p.ci + (i64)q.w * p.ci;
	return q;
}

static __device__ __forceinline__ bool inside(const Problem &p, const Place &q, int d, int h, int w) {
	return (u32)(q.d + d) < (u32)p.di && (u32)(q.h + h) < (u32)p.hi && (u32)(q.w + w) < (u32)p.wi;
}

// moments: of the m voxels that a tile has, and each of its channels, the mean, and behind all means the
// sums of squared deviations from it, as batchnorm_stats has them: [channel][part], a part each of gridDim.x·gridDim.z.
template <typename T> __device__ __forceinline__ void moments(const Problem &p, const float (&acc)[T::TM][T::TN], const Rows<T::BM> &rows, float *scratch, int m) {
	static_assert(T::ROWS * T::BN * sizeof(float) <= sizeof(T), "sums fit into a tile's memory");
	const int line = threadIdx.x / T::COLS, c = blockIdx.y * T::BN + threadIdx.x;
	float mean[T::TN] = {};
#pragma unroll
	for (int pass = 0; pass < 2; pass++) {
#pragma unroll
		for (int j = 0; j < T::TN; j++) {
			float s = 0.f;
#pragma unroll
			for (int i = 0; i < T::TM; i++) {
				float d = acc[i][j] - mean[j];
				s += rows.voxel[T::row(i / 4) + i % 4] < 0 ? 0.f : pass ? d * d : d;
			}
			scratch[line * T::BN + T::col(j / 2) + j % 2] = s;
		}
		__syncthreads();
		double sum = 0;
		if (threadIdx.x < T::BN)
			for (int l = 0; l < T::ROWS; l++)
				sum += scratch[l * T::BN + threadIdx.x];
		__syncthreads();
		float mu = (float)(sum / m);
		if (threadIdx.x < T::BN)
			scratch[threadIdx.x] = mu;
		__syncthreads();
#pragma unroll
		for (int j = 0; j < T::TN; j++)
			mean[j] = scratch[T::col(j / 2) + j % 2];
		__syncthreads();
		if (threadIdx.x < T::BN && c < p.co) {
			i64 parts = (i64)gridDim.x * gridDim.z, to = (pass * p.co + c) * parts + (i64)blockIdx.z * gridDim.x + blockIdx.x;
			p.moments[to] = pass ? sum : (double)mu + (p.bias ? p.bias[c] : 0.f);
		}
	}
}

// finish stores a tile, or its moments. Before it, every thread has passed a barrier behind its last use of scratch,
// a Tile's memory.
template <typename T> __device__ __forceinline__ void finish(const Problem &p, const float (&acc)[T::TM][T::TN], const Rows<T::BM> &rows, float *scratch, int m) {
	const int n0 = blockIdx.y * T::BN;
	if (p.moments) {
		moments<T>(p, acc, rows, scratch, m);
		return;
	}
	float *y = p.y;
	if (p.splits > 1) // parts lie one behind the other
		y += (i64)split_number(p) * p.batch * p.dout * p.ho * p.wo * p.co;
	epilogue<T>(acc, n0, p.co, p.add,
		[&](int row) { return rows.voxel[row] < 0 ? nullptr : y + (i64)rows.voxel[row] * p.co; },
		[&](float v, int row, int c) {
			if (p.bias)
				v += p.bias[p.table ? rows.presence[row] * p.co + c : c];
			if (p.z)
				v = fmaf(p.zscale[c], p.z[(i64)rows.voxel[row] * p.co + c], v);
			if (p.mask && !(p.mask[(i64)rows.voxel[row] * p.co + c] > 0.f))
				return 0.f;
			return p.relu && v < 0.f ? 0.f : v; // NaN stays
		});
}

// The parameters of every entry, in the order of Problem.
#define CONV_PARAMETERS                                                                              \
	float *y, const float *x, const float *w, const float *bias, int batch, int di, int hi, int wi, int ci, \
		int dout, int ho, int wo, int co, int k, int stride, int pad, int scattered, int wrows, int wpitch,  \
		int relu, int add, int table, const float *z, const float *zscale, const float *mask, double *moments, int splits, int share
#define CONV_PROBLEM                                                                                          \
	{y, x, w, bias, batch, di, hi, wi, ci, dout, ho, wo, co, k, stride, pad, scattered, wrows, wpitch, relu, add, table, z, zscale, mask, moments, splits, share}

// What the convolutions that gather share: their arguments, where a row of the product
// reads and writes, and the last step of a tile.
#pragma once
#include "gemm.cuh"

struct Problem {
	float *y;
	const float *x, *w, *bias;
	int batch, di, hi, wi, ci;             // x: its channels are summed over
	int dout, ho, wo, co;                  // y
	int k, stride, pad, scattered;         // window
	int wrows, wpitch;                     // w: rows of a kernel position, length of a row
	int relu, add;
};

struct Axes {
	Axis d, h, w;
};

static __device__ __forceinline__ Axes axes(const Problem &p) {
	if (!p.scattered)
		return {gather(p.dout, p.k, p.stride, p.pad), gather(p.ho, p.k, p.stride, p.pad), gather(p.wo, p.k, p.stride, p.pad)};
	int c = blockIdx.z, s = p.stride;
	return {scatter(p.dout, p.k, s, p.pad, c / (s * s)), scatter(p.ho, p.k, s, p.pad, c / s % s), scatter(p.wo, p.k, s, p.pad, c % s)};
}

// Place is where a row reads: the input voxel of kernel position 0 and its address.
struct Place {
	int d, h, w;
	const float *x;
};

// place finds row m; outside, no voxel is ever inside. out gets the output voxel's number.
static __device__ __forceinline__ Place place(const Problem &p, const Axes &a, int m, int *out) {
	int w = m % a.w.n, r = m / a.w.n;
	int h = r % a.h.n;
	r /= a.h.n;
	int d = r % a.d.n, n = r / a.d.n;
	if (n >= p.batch) {
		*out = -1;
		return {-(1 << 30), 0, 0, p.x};
	}
	*out = ((n * p.dout + d * a.d.stride + a.d.first) * p.ho + h * a.h.stride + a.h.first) * p.wo + w * a.w.stride + a.w.first;
	Place q = {d * a.d.step + a.d.off, h * a.h.step + a.h.off, w * a.w.step + a.w.off, nullptr};
	q.x = p.x + (((i64)n * p.di + q.d) * p.hi + q.h) * p.wi * (i64)p.ci + (i64)q.w * p.ci;
	return q;
}

static __device__ __forceinline__ bool inside(const Problem &p, const Place &q, int d, int h, int w) {
	return (u32)(q.d + d) < (u32)p.di && (u32)(q.h + h) < (u32)p.hi && (u32)(q.w + w) < (u32)p.wi;
}

template <typename T> __device__ __forceinline__ void finish(const Problem &p, const float (&acc)[T::TM][T::TN], const int *out) {
	epilogue<T>(acc, blockIdx.y * T::BN, p.co, p.add,
		[&](int row) { return out[row] < 0 ? nullptr : p.y + (i64)out[row] * p.co; },
		[&](float v, int c) {
			if (p.bias)
				v += p.bias[c];
			return p.relu && v < 0.f ? 0.f : v; // NaN stays
		});
}

// The parameters of every entry, in the order of Problem.
#define CONV_PARAMETERS                                                                              \
	float *y, const float *x, const float *w, const float *bias, int batch, int di, int hi, int wi, int ci, \
		int dout, int ho, int wo, int co, int k, int stride, int pad, int scattered, int wrows, int wpitch,  \
		int relu, int add
#define CONV_PROBLEM                                                                                          \
	{y, x, w, bias, batch, di, hi, wi, ci, dout, ho, wo, co, k, stride, pad, scattered, wrows, wpitch, relu, add}

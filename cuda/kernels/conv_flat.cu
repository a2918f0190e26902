// The convolutions of conv.cu for any number of input channels: the sum runs over
// (kernel position, channel) numbered through, and single words are gathered.
//
// Work: as in conv.cu, but a stage is any eight consecutive terms of the sum. Eight
// threads find position and channel of a stage's terms two stages ahead. A warp
// gathers one term of 32 consecutive voxels.
//
// Shared memory: conv_flat_slim 19.3, conv_flat_thin 18.1 KiB. Bytes moved: as in conv.cu for few channels; 32 sectors
// a warp's load for many.
#include "conv.cuh"

// Term is a summand: the step from kernel position 0 of channel 0, and its row of the weights.
struct Term {
	int d, h, w, step, row; // row < 0: beyond the last
};

static __device__ __forceinline__ Term term(const Problem &p, const Axes &a, int k) {
	int c = k % p.ci, tap = k / p.ci;
	int jw = tap % a.w.taps, jh = tap / a.w.taps % a.h.taps, jd = tap / (a.w.taps * a.h.taps);
	Term t = {jd * a.d.dir, jh * a.h.dir, jw * a.w.dir, 0, -1};
	t.step = ((t.d * p.hi + t.h) * p.wi + t.w) * p.ci + c;
	if (jd < a.d.taps)
		t.row = (((a.d.from + jd * a.d.by) * p.k + a.h.from + jh * a.h.by) * p.k + a.w.from + jw * a.w.by) * p.wrows + c;
	return t;
}

template <typename T> __device__ __forceinline__ void conv(const Problem &p) {
	__shared__ T s;
	__shared__ Rows<T::BM> rows;
	__shared__ Term terms[2][STAGE];
	const Axes a = axes(p);
	const int m0 = blockIdx.x * T::BM, n0 = blockIdx.y * T::BN;
	const int positions = p.batch * a.d.n * a.h.n * a.w.n;
	if (m0 >= positions)
		return; // this class has fewer positions
	constexpr int VOXELS = T::BM / T::THREADS;
	Place at[VOXELS];
#pragma unroll
	for (int l = 0; l < VOXELS; l++) {
		int row = threadIdx.x + l * T::THREADS;
		at[l] = place(p, a, m0 + row, rows, row, true);
	}
	const int brow = threadIdx.x / (T::BN / 4), bcol = threadIdx.x % (T::BN / 4) * 4;
	const float *w = p.w + n0 + bcol;

	float acc[T::TM][T::TN] = {};
	float av[STAGE][VOXELS];
	float4 bv;
	auto load = [&](int stage) {
		const Term *t = terms[stage & 1];
#pragma unroll
		for (int k = 0; k < STAGE; k++) {
#pragma unroll
			for (int l = 0; l < VOXELS; l++)
				av[k][l] = load_if(at[l].x + t[k].step, t[k].row >= 0 && inside(p, at[l], t[k].d, t[k].h, t[k].w));
		}
		if (brow < STAGE)
			bv = load4_if(w + (i64)t[brow].row * p.wpitch, t[brow].row >= 0);
	};
	auto keep = [&](int buf) {
#pragma unroll
		for (int k = 0; k < STAGE; k++)
#pragma unroll
			for (int l = 0; l < VOXELS; l++)
				s.a[buf][k][threadIdx.x + l * T::THREADS] = av[k][l];
		if (brow < STAGE)
			*(float4 *)&s.b[buf][brow][bcol] = bv;
	};
	const int all = (a.d.taps * a.h.taps * a.w.taps * p.ci + STAGE - 1) / STAGE;
	const int begin = min(split_number(p) * p.share, all), stages = min(all - begin, p.share);
	if (stages && threadIdx.x < 2 * STAGE)
		terms[threadIdx.x / STAGE][threadIdx.x % STAGE] = term(p, a, begin * STAGE + threadIdx.x);
	__syncthreads();
	if (stages) {
		load(0);
		keep(0);
	}
	__syncthreads();
	for (int i = 0; i < stages; i++) {
		if (i + 1 < stages)
			load(i + 1);
		if (threadIdx.x < STAGE)
			terms[i & 1][threadIdx.x] = term(p, a, (begin + i + 2) * STAGE + threadIdx.x);
		s.multiply(acc, i & 1);
		if (i + 1 < stages)
			keep(~i & 1);
		__syncthreads();
	}
	finish<T>(p, acc, rows, &s.a[0][0][0], min(T::BM, positions - m0));
}

#define CONV(name, tile, blocks)                                                                  \
	extern "C" __global__ void __launch_bounds__(tile::THREADS, blocks) name(CONV_PARAMETERS) { \
		conv<tile>(CONV_PROBLEM);                                                               \
	}
CONV(conv_flat_slim, Slim, 3)
CONV(conv_flat_thin, Thin, 4)

// Convolution and its relatives that gather: Conv, ConvGradX, ConvT, ConvTGradX,
// as an implicit matrix product. Rows are output voxels, columns output channels, and the
// sum runs over channels and kernel positions. For channel counts that are multiples
// of four; conv_flat.cu has the others.
//
// Work: a block has BM voxels by BN channels of one class of output positions
// (blockIdx.z; the positions equal modulo the stride where a tensor is scattered,
// one class otherwise). A stage is eight channels of one kernel position: the voxels' 32-byte
// runs are gathered from x, transposed into shared memory, and multiplied with eight
// rows of weights. Positions run fastest, so all but the first few find x in the L1 cache.
//
// Shared memory: conv_wide 14.9, conv_mid 11.9, conv_slim 19, conv_thin 17.8 KiB. Bytes moved: for a 3³ window x about nine
// times for every BN channels (neighbours along W overlap in L1, the others in L2),
// weights once a block, y once (twice for Add).
#include "conv.cuh"

template <typename T> __device__ __forceinline__ void conv(const Problem &p) {
	__shared__ T s;
	__shared__ Rows<T::BM> rows;
	const Axes a = axes(p);
	const int m0 = blockIdx.x * T::BM, n0 = blockIdx.y * T::BN;
	const int positions = p.batch * a.d.n * a.h.n * a.w.n;
	if (m0 >= positions)
		return; // this class has fewer positions
	// A thread loads four channels of every (THREADS/2)-th voxel.
	constexpr int LOADS = T::BM * 2 / T::THREADS, APART = T::THREADS / 2;
	const int half = threadIdx.x & 1, first = threadIdx.x >> 1;
	Place at[LOADS];
#pragma unroll
	for (int l = 0; l < LOADS; l++)
		at[l] = place(p, a, m0 + first + l * APART, rows, first + l * APART, !half);
	const int brow = threadIdx.x / (T::BN / 4), bcol = threadIdx.x % (T::BN / 4) * 4;
	const float *w = p.w + (i64)brow * p.wpitch + n0 + bcol;

	float acc[T::TM][T::TN] = {};
	float4 av[LOADS], bv;
	const int taps = a.d.taps * a.h.taps * a.w.taps, all = taps * ((p.ci + STAGE - 1) / STAGE);
	const int begin = min(split_number(p) * p.share, all), stages = min(all - begin, p.share);
	// Of the stage to load next.
	int c0 = 0, jd = 0, jh = 0, jw = 0;
	if (begin) { // then there are taps
		int tap = begin % taps;
		c0 = begin / taps * STAGE, jw = tap % a.w.taps, jh = tap / a.w.taps % a.h.taps, jd = tap / (a.w.taps * a.h.taps);
	}
	auto load = [&]() {
		int d = jd * a.d.dir, h = jh * a.h.dir, v = jw * a.w.dir, c = c0 + half * 4;
		int step = ((d * p.hi + h) * p.wi + v) * p.ci + c;
#pragma unroll
		for (int l = 0; l < LOADS; l++)
			av[l] = load4_if(at[l].x + step, c < p.ci && inside(p, at[l], d, h, v));
		int tap = ((a.d.from + jd * a.d.by) * p.k + a.h.from + jh * a.h.by) * p.k + a.w.from + jw * a.w.by;
		bv = load4_if(w + ((i64)tap * p.wrows + c0) * p.wpitch, brow < STAGE);
		if (++jw == a.w.taps && (jw = 0, ++jh) == a.h.taps && (jh = 0, ++jd) == a.d.taps)
			jd = 0, c0 += STAGE;
	};
	auto keep = [&](int buf) {
#pragma unroll
		for (int l = 0; l < LOADS; l++) {
			float *q = &s.a[buf][half * 4][first + l * APART];
			q[0] = av[l].x, q[T::PITCH] = av[l].y, q[2 * T::PITCH] = av[l].z, q[3 * T::PITCH] = av[l].w;
		}
		if (brow < STAGE)
			*(float4 *)&s.b[buf][brow][bcol] = bv;
	};
	if (stages) {
		load();
		keep(0);
	}
	__syncthreads();
	for (int i = 0; i < stages; i++) {
		if (i + 1 < stages)
			load();
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
CONV(conv_wide, Wide, 2)
CONV(conv_mid, Mid, 4)
CONV(conv_slim, Slim, 3)
CONV(conv_thin, Thin, 4)

// The product behind the gradient of a convolution's weights. One tensor is gathered (x, or
// dy where the convolution is transposed), the other lies plain; each voxel v of
// the plain one meets voxel v·stride − pad + k of the gathered one:
//
//	C[(k, i), o] = Σ over v of gathered[v·stride − pad + k, i] · plain[v, o]
#pragma once
#include "gemm.cuh"

struct Outer {
	float *part, *columns;                 // columns: [split][cp], may be null
	const float *g, *p;                    // gathered, plain
	int dg, hg, wg, cg;                    // g
	int rows, dp, hp, wp, cp;              // p: voxels in all
	int k, stride, pad, rowsPerSplit;
	u32 mulD, mulH, mulW;                  // for division by dp, hp, wp
	int shiftD, shiftH, shiftW;
};

// over divides n < 2³¹ by a constant as the host prepared it: by 1 if mul is 0.
static __device__ __forceinline__ int over(int n, u32 mul, int shift) { return mul ? (int)(__umulhi(n, mul) >> shift) : n; }

// Column is a row of C: a kernel position and a channel of g.
struct Column {
	int d, h, w, c; // d: beyond the last row no voxel is ever inside
};

static __device__ __forceinline__ Column column(const Outer &o, int r) {
	int c = r % o.cg, t = r / o.cg;
	int kd = t / (o.k * o.k);
	return {kd < o.k ? kd - o.pad : 1 << 30, t / o.k % o.k - o.pad, t % o.k - o.pad, c};
}

// Voxel is a voxel of p, times the stride, and its sample.
struct Voxel {
	int n, d, h, w;
};

static __device__ __forceinline__ Voxel voxel(const Outer &o, int v) {
	int q = over(v, o.mulW, o.shiftW), w = v - q * o.wp;
	int r = over(q, o.mulH, o.shiftH), h = q - r * o.hp;
	int n = over(r, o.mulD, o.shiftD), d = r - n * o.dp;
	return {n, d * o.stride, h * o.stride, w * o.stride};
}

// gathered is the address in g; ok tells whether it is inside.
static __device__ __forceinline__ const float *gathered(const Outer &o, const Voxel &v, const Column &c, bool *ok) {
	int d = v.d + c.d, h = v.h + c.h, w = v.w + c.w;
	*ok = (u32)d < (u32)o.dg && (u32)h < (u32)o.hg && (u32)w < (u32)o.wg;
	return o.g + (((i64)v.n * o.dg + d) * o.hg + h) * ((i64)o.wg * o.cg) + (w * o.cg + c.c);
}

// outer is a block's part of C over its share of the voxels. GROUP words of a voxel's
// channels are gathered at once. The first row of blocks adds up the columns of p on its way.
template <typename T, int GROUP> __device__ __forceinline__ void outer(const Outer &o) {
	__shared__ T s;
	constexpr int WIDE = T::BM / GROUP;               // loads for a voxel
	constexpr int LOADS = STAGE * WIDE / T::THREADS;  // of a thread in a stage
	constexpr int COLUMNS = WIDE > T::THREADS ? WIDE / T::THREADS : 1;
	const int total = o.k * o.k * o.k * o.cg, r0 = blockIdx.x * T::BM, n0 = blockIdx.y * T::BN;
	const int begin = blockIdx.z * o.rowsPerSplit, end = begin + min(o.rowsPerSplit, o.rows - begin); // a whole share more may be beyond 2³¹
	Column cols[COLUMNS];
#pragma unroll
	for (int l = 0; l < COLUMNS; l++)
		cols[l] = column(o, r0 + (threadIdx.x + l * T::THREADS) % WIDE * GROUP);
	const int brow = threadIdx.x / (T::BN / 4), bcol = threadIdx.x % (T::BN / 4) * 4;
	const bool whole = o.cp % 4 == 0;

	float acc[T::TM][T::TN] = {};
	float av[LOADS][GROUP];
	float4 bv, sum = make_float4(0.f, 0.f, 0.f, 0.f);
	auto load = [&](int v0) {
#pragma unroll
		for (int l = 0; l < LOADS; l++) {
			int v = v0 + (threadIdx.x + l * T::THREADS) / WIDE;
			bool ok;
			const float *q = gathered(o, voxel(o, v), cols[l % COLUMNS], &ok);
			if (GROUP == 4) {
				float4 f = load4_if(q, ok && v < end);
				av[l][0] = f.x, av[l][GROUP / 4] = f.y, av[l][GROUP / 2] = f.z, av[l][GROUP - 1] = f.w;
			} else {
				av[l][0] = load_if(q, ok && v < end);
			}
		}
		int c = n0 + bcol;
		const float *q = o.p + (i64)(v0 + brow) * o.cp + c;
		bool row = brow < STAGE && v0 + brow < end;
		if (whole)
			bv = load4_if(q, row && c < o.cp);
		else
			bv = make_float4(load_if(q, row && c < o.cp), load_if(q + 1, row && c + 1 < o.cp), load_if(q + 2, row && c + 2 < o.cp),
				load_if(q + 3, row && c + 3 < o.cp));
	};
	auto keep = [&](int buf) {
#pragma unroll
		for (int l = 0; l < LOADS; l++) {
			int e = threadIdx.x + l * T::THREADS;
			float *q = &s.a[buf][e / WIDE][e % WIDE * GROUP];
			if (GROUP == 4)
				*(float4 *)q = make_float4(av[l][0], av[l][GROUP / 4], av[l][GROUP / 2], av[l][GROUP - 1]);
			else
				*q = av[l][0];
		}
		if (brow < STAGE)
			*(float4 *)&s.b[buf][brow][bcol] = bv;
		sum.x += bv.x, sum.y += bv.y, sum.z += bv.z, sum.w += bv.w;
	};
	load(begin);
	keep(0);
	__syncthreads();
	for (int v = begin, buf = 0; v < end; v += STAGE, buf ^= 1) {
		if (v + STAGE < end)
			load(v + STAGE);
		s.multiply(acc, buf);
		if (v + STAGE < end)
			keep(buf ^ 1);
		__syncthreads();
	}
	if (o.columns && blockIdx.x == 0) {
		float *lines = &s.b[0][0][0]; // free since the last barrier
		if (brow < STAGE)
			*(float4 *)&lines[brow * T::BN + bcol] = sum;
		__syncthreads();
		const int c = threadIdx.x;
		if (c < T::BN && n0 + c < o.cp) {
			float total = 0.f;
			for (int l = 0; l < STAGE; l++)
				total += lines[l * T::BN + c];
			o.columns[(i64)blockIdx.z * o.cp + n0 + c] = total;
		}
	}
	float *part = o.part + (i64)blockIdx.z * total * o.cp;
	epilogue<T>(acc, n0, o.cp, 0,
		[&](int row) { return r0 + row < total ? part + (i64)(r0 + row) * o.cp : nullptr; },
		[](float v, int, int) { return v; });
}

// A block's tile of a matrix product C[BM×BN] += A[BM×K] · B[K×BN], K in stages of
// eight that alternate between two buffers of shared memory. Each thread owns
// TM×TN elements: rows in groups of four and columns in groups of two, spread so
// that a warp reads shared memory without conflicts and writes whole sectors.
#pragma once
#include "common.cuh"

constexpr int STAGE = 8;

template <int BM_, int BN_, int TM_, int TN_> struct Tile {
	static constexpr int BM = BM_, BN = BN_, TM = TM_, TN = TN_;
	static constexpr int COLS = BN / TN, ROWS = BM / TM;
	static constexpr int THREADS = COLS * ROWS;
	static constexpr int PITCH = BM + 4; // of a row of A: transposed stores meet different banks
	static_assert(TM % 4 == 0 && TN % 2 == 0 && THREADS % 32 == 0, "shape of a tile");
	static_assert(STAGE * BN / 4 <= THREADS, "one 16-byte load of B a thread");
	static_assert(BM * STAGE / 4 % THREADS == 0 || BM * STAGE % THREADS == 0, "equal loads of A");

	float a[2][STAGE][PITCH];
	float b[2][STAGE][BN];

	// The first row and column of a thread's i-th and j-th group.
	static __device__ __forceinline__ int row(int i) { return threadIdx.x / COLS * 4 + i * 4 * ROWS; }
	static __device__ __forceinline__ int col(int j) { return threadIdx.x % COLS * 2 + j * 2 * COLS; }

	__device__ __forceinline__ void multiply(float (&acc)[TM][TN], int buf) const {
#pragma unroll
		for (int k = 0; k < STAGE; k++) {
			float av[TM], bv[TN];
#pragma unroll
			for (int i = 0; i < TM / 4; i++) {
				float4 v = *(const float4 *)&a[buf][k][row(i)];
				av[4 * i] = v.x, av[4 * i + 1] = v.y, av[4 * i + 2] = v.z, av[4 * i + 3] = v.w;
			}
#pragma unroll
			for (int j = 0; j < TN / 2; j++) {
				float2 v = *(const float2 *)&b[buf][k][col(j)];
				bv[2 * j] = v.x, bv[2 * j + 1] = v.y;
			}
#pragma unroll
			for (int i = 0; i < TM; i++)
#pragma unroll
				for (int j = 0; j < TN; j++)
					acc[i][j] = fmaf(av[i], bv[j], acc[i][j]);
		}
	}
};

// The shapes: as many columns as a layer has output channels.
typedef Tile<128, 96, 8, 6> Wide;  // 256 threads, 14.2 KiB of shared memory
typedef Tile<128, 48, 8, 6> Mid;   // 128 threads, 11.2 KiB
typedef Tile<256, 24, 8, 6> Slim;  // 128 threads, 17.8 KiB
typedef Tile<256, 4, 4, 2> Thin;   // 128 threads, 16.5 KiB
typedef Tile<32, 32, 4, 2> Square; // 128 threads, 4.2 KiB

// A window's geometry along one axis, for the output positions v·stride + first:
// they read input v·step + off + j·dir through the kernel's position from + j·by, j < taps.
struct Axis {
	int n, step, off, dir, from, by, taps, first, stride;
};

// gather: output v reads input v·stride − pad + k.
static __device__ __forceinline__ Axis gather(int out, int k, int stride, int pad) {
	return {out, stride, -pad, 1, 0, 1, k, 0, 1};
}

// scatter: input u adds to output u·stride − pad + k. The outputs that are equal
// to cls modulo stride see every stride-th position of the kernel.
static __device__ __forceinline__ Axis scatter(int out, int k, int stride, int pad, int cls) {
	int from = (cls + pad) % stride;
	return {(out - cls + stride - 1) / stride, 1, (cls + pad - from) / stride, -1, from, stride,
		from < k ? (k - from + stride - 1) / stride : 0, cls, stride};
}

// epilogue stores a thread's elements: out(row) is the address of the row's first column, or null;
// f(value, row, column) what becomes of a value, or of its sum with what is there.
template <typename T, typename Out, typename F>
static __device__ __forceinline__ void epilogue(const float (&acc)[T::TM][T::TN], int n0, int n, int add, Out out, F f) {
	bool pairs = n % 2 == 0;
#pragma unroll
	for (int i = 0; i < T::TM; i++) {
		const int row = T::row(i / 4) + i % 4;
		float *p = out(row);
		if (!p)
			continue;
#pragma unroll
		for (int j = 0; j < T::TN; j += 2) {
			int c = n0 + T::col(j / 2);
			if (pairs && c < n) {
				float2 o = add ? *(const float2 *)(p + c) : make_float2(0.f, 0.f);
				*(float2 *)(p + c) = make_float2(f(acc[i][j] + o.x, row, c), f(acc[i][j + 1] + o.y, row, c + 1));
			} else {
				if (c < n)
					p[c] = f(acc[i][j] + (add ? p[c] : 0.f), row, c);
				if (c + 1 < n)
					p[c + 1] = f(acc[i][j + 1] + (add ? p[c + 1] : 0.f), row, c + 1);
			}
		}
	}
}

// Convolutions with a window of 3³ that keep the grid, between few channels and many: the first and the last layer of a network,
// and whatever else has fewer channels on a side than tensor cores are used for. Sums, weights and the few channels are fp32; the many are
// what is stored. Conv and its relatives that gather; conv_few_grad.cu has the gradient of weights.
//
// Work: wide_to_few_1, wide_to_few_2, wide_to_few_4, by the few channels of a block: it has 8×8×8 voxels, a thread four of them, one behind the
// other along D, with all of the many channels, of which two pieces of 16 bytes are copied to shared memory with their halo at a time.
// few_to_wide_1, few_to_wide_2, few_to_wide_4, by the few channels that are copied at a time: a block has 8×8 voxels, eight deep (four of bf16), by up to
// four pieces of channels, a thread a piece of all voxels along D.
//
// Shared memory: wide_to_few_1 36.1, wide_to_few_2 37, wide_to_few_4 38.7, few_to_wide_1 5.6, few_to_wide_2 11.2, few_to_wide_4 22.4 KiB.
// Bytes moved: the many channels once, with their halo (and once for every four of the few) where they are read; the few once for every 16 (32 in bf16) of the
// many, with their halo.
#include "conv_few.cuh"

template <int T> __device__ __forceinline__ void wide_to_few(float *y, const real *x, const Few &p, const float *bias, const float *mask, int relu, int add) {
	constexpr int SUB = EACH == 8 && T <= 2 ? 8 : 4, CHUNK = 2 * EACH;
	__shared__ uint4 halo[2][1004]; // 64 bytes more than a multiple of all banks
	__shared__ int voxels[1000];
	__shared__ __align__(16) float ws[27][CHUNK][T];
	const FewTile tile(blockIdx.x, p, 8);
	const int t0 = blockIdx.y * T, at = (threadIdx.x >> 6) * 400 + (threadIdx.x >> 3 & 7) * 10 + (threadIdx.x & 7);
#pragma unroll 1
	for (int v = threadIdx.x; v < 1000; v += 128)
		voxels[v] = tile.voxel(p, v);
	float acc[4][T] = {};
	for (int c0 = 0; c0 < p.wide; c0 += CHUNK) {
		__syncthreads();
		if (p.wide % EACH == 0) {
#pragma unroll 4
			for (int i = threadIdx.x; i < 2000; i += 128) {
				int from = voxels[i / 2], c = c0 + i % 2 * EACH;
				halo[i % 2][i / 2] = load16_if(x + (i64)from * p.wide + c, from >= 0 && c < p.wide);
			}
		} else {
#pragma unroll 1
			for (int i = threadIdx.x; i < 1000 * CHUNK; i += 128) {
				int from = voxels[i / CHUNK], e = i % CHUNK;
				put((real *)&halo[e / EACH][i / CHUNK] + e % EACH, load_if(x + (i64)from * p.wide + c0 + e, from >= 0 && c0 + e < p.wide));
			}
		}
#pragma unroll 2
		for (int i = threadIdx.x; i < 27 * CHUNK * T; i += 128)
			(&ws[0][0][0])[i] = p.weight(i / (CHUNK * T), t0 + i % T, c0 + i / T % CHUNK);
		__syncthreads();
		const int lines = c0 + EACH < p.wide ? 18 : 9; // of positions that differ along D alone, in one piece or two
#pragma unroll 1
		for (int l = 0; l < lines; l++) {
			const int k = l % 9;
			const real *q = (const real *)&halo[l / 9][at + k / 3 * 10 + k % 3];
#pragma unroll
			for (int s = 0; s < EACH; s += SUB) {
				float w[3][SUB * T];
#pragma unroll
				for (int j = 0; j < 3; j++)
#pragma unroll
					for (int i = 0; i < SUB * T; i += 4) {
						float4 f = *(const float4 *)(&ws[j * 9 + k][l / 9 * EACH + s][0] + i);
						w[j][i] = f.x, w[j][i + 1] = f.y, w[j][i + 2] = f.z, w[j][i + 3] = f.w;
					}
#pragma unroll
				for (int z = 0; z < 6; z++) {
					float v[SUB];
					staged(v, q + z * 100 * EACH + s);
#pragma unroll
					for (int o = 0; o < 4; o++)
						if (z >= o && z - o < 3) {
#pragma unroll
							for (int e = 0; e < SUB * T; e++)
								acc[o][e % T] = fmaf(v[e / T], w[z - o][e], acc[o][e % T]);
						}
				}
			}
		}
	}
#pragma unroll
	for (int o = 0; o < 4; o++)
#pragma unroll
		for (int t = 0; t < T; t++) {
			int v = voxels[at + o * 100 + 111];
			i64 to = (i64)v * p.few + t0 + t;
			if (v < 0 || t0 + t >= p.few)
				continue;
			float s = acc[o][t] + (add ? y[to] : 0.f) + (bias ? bias[t0 + t] : 0.f);
			y[to] = last(s, mask ? mask[to] : 1.f, relu);
		}
}

template <int T> __device__ __forceinline__ void few_to_wide(real *y, const float *x, const Few &p, const float *bias, const real *mask, int relu, int add) {
	constexpr int DEPTH = 32 / EACH, HALO = (DEPTH + 2) * 100;
	__shared__ float halo[T][HALO];
	__shared__ __align__(16) float ws[27 * T * 4 * EACH];
	const FewTile tile(blockIdx.x, p, DEPTH);
	const int groups = blockDim.x / 64, cols = groups * EACH, group = threadIdx.x % groups;
	const int at = threadIdx.x / groups / 8 * 10 + threadIdx.x / groups % 8, c0 = blockIdx.y * cols, c = c0 + group * EACH;
	float acc[DEPTH][EACH] = {};
	for (int t0 = 0; t0 < p.few; t0 += T) {
		__syncthreads();
#pragma unroll 2
		for (int i = threadIdx.x; i < HALO * T; i += blockDim.x) {
			int from = tile.voxel(p, i / T), t = t0 + i % T;
			halo[i % T][i / T] = load_if(x + (i64)from * p.few + t, from >= 0 && t < p.few);
		}
#pragma unroll 2
		for (int i = threadIdx.x; i < 27 * T * cols; i += blockDim.x)
			ws[i] = p.weight(i / (T * cols), t0 + i / cols % T, c0 + i % cols);
		__syncthreads();
#pragma unroll 1
		for (int k = 0; k < 9; k++)
#pragma unroll
			for (int t = 0; t < T; t++) {
				float v[DEPTH + 2];
#pragma unroll
				for (int z = 0; z < DEPTH + 2; z++)
					v[z] = halo[t][z * 100 + at + k / 3 * 10 + k % 3];
#pragma unroll
				for (int j = 0; j < 3; j++)
#pragma unroll
					for (int e = 0; e < EACH; e += 4) {
						float4 f = *(const float4 *)(ws + ((j * 9 + k) * T + t) * cols + group * EACH + e);
#pragma unroll
						for (int z = 0; z < DEPTH; z++) {
							acc[z][e] = fmaf(v[z + j], f.x, acc[z][e]), acc[z][e + 1] = fmaf(v[z + j], f.y, acc[z][e + 1]);
							acc[z][e + 2] = fmaf(v[z + j], f.z, acc[z][e + 2]), acc[z][e + 3] = fmaf(v[z + j], f.w, acc[z][e + 3]);
						}
					}
			}
	}
	const bool whole = p.wide % EACH == 0;
	float b[EACH];
#pragma unroll
	for (int e = 0; e < EACH; e++)
		b[e] = load_if(bias + c + e, bias && c + e < p.wide);
	const float none = mask ? 0.f : 1.f;
#pragma unroll
	for (int z = 0; z < DEPTH; z++) {
		const int v = tile.voxel(p, (z + 1) * 100 + at + 11), left = v < 0 ? 0 : p.wide - c;
		real *q = y + (i64)v * p.wide + c;
		const real *mq = mask + (i64)v * p.wide + c;
		if (whole && left > 0) {
			float old[EACH], m[EACH];
			numbers(old, load16_if(q, add), y);
			numbers(m, load16_if(mq, mask), y);
#pragma unroll
			for (int e = 0; e < EACH; e++)
				acc[z][e] = last(acc[z][e] + b[e] + old[e], m[e] + none, relu);
			*(uint4 *)q = packed(acc[z]);
			continue;
		}
#pragma unroll
		for (int e = 0; e < EACH; e++)
			if (e < left)
				put(q + e, last(acc[z][e] + b[e] + (add ? get(q + e) : 0.f), mask ? get(mq + e) : 1.f, relu));
	}
}

#define TO_FEW(T)                                                                                                                         \
	extern "C" __global__ void __launch_bounds__(128) STORED(wide_to_few_##T)(float *y, const real *x, const float *w, const float *bias, \
		const float *mask, int few, int wide, int wideFirst, int mirrored, int d, int h, int wi, int relu, int add) {                    \
		wide_to_few<T>(y, x, {w, few, wide, wideFirst, mirrored, d, h, wi}, bias, mask, relu, add);                                      \
	}
#define FROM_FEW(T)                                                                                                                       \
	extern "C" __global__ void __launch_bounds__(256, 2) STORED(few_to_wide_##T)(real *y, const float *x, const float *w, const float *bias, \
		const real *mask, int few, int wide, int wideFirst, int mirrored, int d, int h, int wi, int relu, int add) {                     \
		few_to_wide<T>(y, x, {w, few, wide, wideFirst, mirrored, d, h, wi}, bias, mask, relu, add);                                      \
	}
#ifndef BF16 // from which one or two channels are made on tensor cores
TO_FEW(1)
TO_FEW(2)
#endif
TO_FEW(4)
FROM_FEW(1)
FROM_FEW(2)
FROM_FEW(4)
#undef TO_FEW
#undef FROM_FEW

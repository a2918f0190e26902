// What the products on tensor cores take and leave: operands, rounded, and the sum of parts.
//
// variants: sm_80
//
// Work: mma_round_bf16, mma_round_tf32 and, of what is bf16 already, mma_pad_bf16 write a tensor rounded and padded to
// whole chunks of 32 bytes of channels: a thread has 16 bytes of a voxel. mma_weights_bf16, mma_weights_tf32 write weights as conv_mma.cu
// copies them, a thread a word. mma_finish adds the parts of a sum in order, a thread an element of y. No shared memory.
// Bytes moved: rounding reads 4 (padding 2) and writes 2 or 4 an element; the parts are read once, and as conv_mma.cu has it what they become.
#include "mma.cuh"

// y = Σ part[s], and what Last makes of it; d, h, w: the grid of y.
extern "C" __global__ void __launch_bounds__(256) mma_finish(void *y, const float *part, int parts, i64 n, int co, int d, int h, int w, const float *bias,
		int table, const void *z, const float *zscale, const void *mask, int relu, int add, int half) {
	i64 e = thread_index();
	if (e >= n)
		return;
	vec<1> s = zero<1>();
#pragma unroll 4
	for (int k = 0; k < parts; k++)
		s.v[0] += __ldg(part + k * n + e);
	const u32 at = e / co;
	const int row = table ? presence(at / w / h % d, d) << 4 | presence(at / w % h, h) << 2 | presence(at % w, w) : 0;
	const Last last = {y, bias, zscale, z, mask, table, relu, add, half, co};
	last.store<true, 1>(s, e, e % co, row);
}

// A word of an operand: two numbers as bf16, to the nearest, ties to even; or one as tf32, ties away from zero.
template <bool TF32> __device__ __forceinline__ u32 rounded(float a, float b) {
	u32 v;
	if (TF32)
		asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(v) : "f"(a));
	else
		asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(v) : "f"(b), "f"(a));
	return v;
}

template <bool TF32> __device__ __forceinline__ void round(uint4 *y, const float *x, i64 n, int c, int pieces) {
	i64 e = thread_index();
	if (e >= n)
		return;
	constexpr int EACH = TF32 ? 4 : 8; // numbers in 16 bytes
	i64 row = e / pieces;
	int c0 = (int)(e - row * pieces) * EACH;
	const float *q = x + row * c + c0;
	float v[EACH];
#pragma unroll
	for (int i = 0; i < EACH; i += 4) {
		if (c % 4 == 0) {
			float4 f = load4_if(q + i, c0 + i < c);
			v[i] = f.x, v[i + 1] = f.y, v[i + 2] = f.z, v[i + 3] = f.w;
		} else {
#pragma unroll
			for (int j = 0; j < 4; j++)
				v[i + j] = load_if(q + i + j, c0 + i + j < c);
		}
	}
	constexpr int W = EACH / 4; // numbers in a word
	y[e] = make_uint4(rounded<TF32>(v[0], v[W - 1]), rounded<TF32>(v[W], v[2 * W - 1]), rounded<TF32>(v[2 * W], v[3 * W - 1]), rounded<TF32>(v[3 * W], v[4 * W - 1]));
}
extern "C" __global__ void __launch_bounds__(256) mma_round_bf16(uint4 *y, const float *x, i64 n, int c, int pieces) { round<false>(y, x, n, c, pieces); }
// The same of bf16, whose voxels are only padded.
extern "C" __global__ void __launch_bounds__(256) mma_pad_bf16(uint4 *y, const bf16 *x, i64 n, int c, int pieces) {
	i64 e = thread_index();
	if (e >= n)
		return;
	i64 row = e / pieces;
	int c0 = (int)(e - row * pieces) * 8;
	u32 w[8];
#pragma unroll
	for (int i = 0; i < 8; i++)
		w[i] = c0 + i < c ? x[row * c + c0 + i].bits : 0;
	y[e] = make_uint4(w[0] | w[1] << 16, w[2] | w[3] << 16, w[4] | w[5] << 16, w[6] | w[7] << 16);
}
extern "C" __global__ void __launch_bounds__(256) mma_round_tf32(uint4 *y, const float *x, i64 n, int c, int pieces) { round<true>(y, x, n, c, pieces); }

// weights: packed[column tile][kernel position][chunk][column][96 bytes of input channels], zero beyond the
// channels. w is [k, ci, co], or [k, co, ci] if swapped, or a part of wider weights times factors, as conv_pack.cu has them.
template <bool TF32>
__device__ __forceinline__ void weights(u32 *packed, const float *w, const float *gamma, const float *invstd, i64 n, int cols, int taps, int chunks, int ci, int co,
		int swapped, int all, int from, int cut) {
	i64 e = thread_index();
	if (e >= n)
		return;
	constexpr int W = TF32 ? 1 : 2; // numbers in a word
	int word = e % 24;
	i64 r = e / 24;
	int col = r % cols;
	r /= cols;
	int chunk = r % chunks;
	r /= chunks;
	int tap = r % taps, o = (int)(r / taps) * cols + col, i = (chunk * 24 + word) * W;
	auto at = [&](int i) {
		const bool ok = i < ci && o < co;
		const int c = from + (swapped ? o : i), k = swapped ? i : o;
		float v = load_if(w + (((i64)tap + k / cut) * all + c) * cut + k % cut, ok);
		return gamma && ok ? v * (gamma[c] * invstd[c]) : v;
	};
	packed[e] = rounded<TF32>(at(i), at(i + W - 1));
}
#define WEIGHTS(name, tf32)                                                                                                                     \
	extern "C" __global__ void __launch_bounds__(256) name(u32 *packed, const float *w, const float *gamma, const float *invstd, i64 n, int cols, \
		int taps, int chunks, int ci, int co, int swapped, int all, int from, int cut) {                                                          \
		weights<tf32>(packed, w, gamma, invstd, n, cols, taps, chunks, ci, co, swapped, all, from, cut);                                          \
	}
WEIGHTS(mma_weights_bf16, false)
WEIGHTS(mma_weights_tf32, true)

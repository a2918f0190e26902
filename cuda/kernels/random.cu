// Dropout with Philox4x32-10 (Salmon et al., SC'11), as in package internal/rng: the
// element with linear number i uses word i%4 of the block with counter i/4.
//
// Work: dropout has a thread per four consecutive elements, 16-byte accesses, the last ones singly.
// 8 bytes moved per element, 12 with Add. No shared memory. The key, which changes from step to step, is in memory.
#include "philox.cuh"

// y = x*scale where the element's word is limit or more, else 0. y may be x. The
// product is rounded before Add's sum, as on the CPU.
extern "C" __global__ void __launch_bounds__(256) dropout(float *y, const float *x, i64 n, u32 limit, float scale, const u64 *key, int add) {
	i64 b = thread_index(), i = 4 * b;
	if (i >= n)
		return;
	u32 word[4];
	philox(*key, b, word);
	if (i + 4 <= n) {
		float4 v = *(const float4 *)(x + i);
		float r[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
		for (int j = 0; j < 4; j++)
			r[j] = word[j] >= limit ? __fmul_rn(r[j], scale) : 0.f;
		if (add) {
			float4 o = *(const float4 *)(y + i);
			r[0] = __fadd_rn(r[0], o.x), r[1] = __fadd_rn(r[1], o.y), r[2] = __fadd_rn(r[2], o.z), r[3] = __fadd_rn(r[3], o.w);
		}
		*(float4 *)(y + i) = make_float4(r[0], r[1], r[2], r[3]);
		return;
	}
#pragma unroll
	for (int j = 0; j < 3; j++)
		if (i + j < n) {
			float v = word[j] >= limit ? __fmul_rn(x[i + j], scale) : 0.f;
			y[i + j] = add ? __fadd_rn(v, y[i + j]) : v;
		}
}

// Dropout with Philox4x32-10 (Salmon et al., SC'11), as in package internal/rng: the
// element with linear number i uses word i%4 of the block with counter i/4.
//
// Work: dropout has a thread per four consecutive elements, 16-byte accesses, the last ones singly.
// 8 bytes moved per element, 12 with Add. No shared memory. The key, which changes from step to step, is in memory.
#include "philox.cuh"
#include "vec.cuh"

// y = x*scale where the element's word is limit or more, else 0. y may be x. The
// product is rounded before Add's sum, as on the CPU.
extern "C" __global__ void __launch_bounds__(256) STORED(dropout)(real *y, const real *x, i64 n, u32 limit, float scale, const u64 *key, int add) {
	i64 b = thread_index(), i = 4 * b;
	if (i >= n)
		return;
	u32 word[4];
	philox(*key, b, word);
	vec<4> v = load4(x, i, n);
	if (i + 4 <= n) {
#pragma unroll
		for (int j = 0; j < 4; j++)
			v.v[j] = word[j] >= limit ? __fmul_rn(v.v[j], scale) : 0.f;
		if (add) {
			vec<4> o = load<4>(y + i);
#pragma unroll
			for (int j = 0; j < 4; j++)
				v.v[j] = __fadd_rn(v.v[j], o.v[j]);
		}
		store(y + i, v);
		return;
	}
#pragma unroll
	for (int j = 0; j < 3; j++)
		if (i + j < n) {
			float r = word[j] >= limit ? __fmul_rn(v.v[j], scale) : 0.f;
			put(y + i + j, add ? __fadd_rn(r, get(y + i + j)) : r);
		}
}

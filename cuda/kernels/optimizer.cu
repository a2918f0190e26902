// Adam for all parameters in one launch.
//
// Work: a block of adam, 256 threads, updates 2048 consecutive elements of one slot, two times
// four a thread by 16-byte accesses, the last ones singly; it finds its slot by
// bisection in the table. 28 bytes moved per element. No shared memory. What changes from
// step to step, rate, root and keep, is in memory: the launches of two steps are the same.
#include "common.cuh"

// One parameter. The slot's blocks start at number first.
struct Slot {
	float *w;
	const float *g;
	float *m, *v;
	i64 n, first;
};

// The factors of one update, with the corrections of bias folded in:
//
//	w = w*keep - rate*m / (sqrt(v)*root + eps)
struct Step {
	float beta1, rest1, beta2, rest2, rate, root, eps, keep;

	__device__ __forceinline__ void update(float &w, float g, float &m, float &v) const {
		m = beta1 * m + rest1 * g;
		v = beta2 * v + rest2 * g * g;
		w = w * keep - rate * m / (sqrtf(v) * root + eps);
	}
};

extern "C" __global__ void __launch_bounds__(256)
	adam(const Slot *slots, int count, float beta1, float rest1, float beta2, float rest2, const float *rates, float eps, const float *guard) {
	if (guard && *guard != 0.f)
		return;
	Step step = {beta1, rest1, beta2, rest2, rates[0], rates[1], eps, rates[2]};
	Slot s = slots[slot_of(slots, count, blockIdx.x)];
	i64 start = (blockIdx.x - s.first) * 2048 + 4 * threadIdx.x;
#pragma unroll
	for (int k = 0; k < 2; k++) {
		i64 i = start + 1024 * k;
		if (i + 4 <= s.n) {
			float4 w = *(float4 *)(s.w + i), g = *(const float4 *)(s.g + i), m = *(float4 *)(s.m + i), v = *(float4 *)(s.v + i);
			step.update(w.x, g.x, m.x, v.x);
			step.update(w.y, g.y, m.y, v.y);
			step.update(w.z, g.z, m.z, v.z);
			step.update(w.w, g.w, m.w, v.w);
			*(float4 *)(s.w + i) = w, *(float4 *)(s.m + i) = m, *(float4 *)(s.v + i) = v;
			continue;
		}
#pragma unroll 1
		for (; i < s.n && i < start + 1024 * k + 4; i++)
			step.update(s.w[i], s.g[i], s.m[i], s.v[i]);
	}
}

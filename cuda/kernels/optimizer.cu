// Adam for all parameters in one launch, and the norm of all gradients.
//
// adam: a block of adam, 256 threads, updates 2048 consecutive elements of one slot, two times
// four a thread by 16-byte accesses, the last ones singly; it finds its slot by
// bisection in the table. 28 bytes moved per element. No shared memory. What changes from
// step to step, rate, root and keep, is in memory: the launches of two steps are the same.
//
// norm_squares, norm_total: a block of 256 threads adds the squares of 8192 elements of one
// tensor, which it finds in the table, in double; one block adds these sums. 4 bytes read per
// element; 64 bytes of shared memory each.
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
	float beta1, rest1, beta2, rest2, rate, root, eps, keep, clip;

	__device__ __forceinline__ void update(float &w, float g, float &m, float &v) const {
		g *= clip;
		m = beta1 * m + rest1 * g;
		v = beta2 * v + rest2 * g * g;
		w = w * keep - rate * m / (sqrtf(v) * root + eps);
	}
};

extern "C" __global__ void __launch_bounds__(256)
	adam(const Slot *slots, int count, float beta1, float rest1, float beta2, float rest2, const float *rates, float eps, const float *guard,
		 const float *norm, float max_norm) {
	if (guard && *guard != 0.f)
		return;
	Step step = {beta1, rest1, beta2, rest2, rates[0], rates[1], eps, rates[2], 1.f};
	if (norm) {
		float clip = max_norm / (*norm + 1e-6f);
		if (!(clip >= 1.f)) // a NaN stays one
			step.clip = clip;
	}
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

extern "C" __global__ void __launch_bounds__(256) norm_squares(double *part, const Span *spans, int count) {
	Span s = spans[slot_of(spans, count, blockIdx.x)];
	i64 start = (blockIdx.x - s.first) * 8192 + 4 * threadIdx.x;
	double sum = 0;
	for (i64 i = start; i < min(s.n, start + 8192); i += 1024) {
		if (i + 4 <= s.n) {
			float4 v = *(const float4 *)(s.x + i);
			sum += (double)v.x * v.x + (double)v.y * v.y + (double)v.z * v.z + (double)v.w * v.w;
		} else {
#pragma unroll 1
			for (i64 j = i; j < s.n; j++)
				sum += (double)s.x[j] * s.x[j];
		}
	}
	sum = block_sum<256>(sum);
	if (threadIdx.x == 0)
		part[blockIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(256) norm_total(float *norm, const double *part, int parts) {
	double sum = 0;
	for (int i = threadIdx.x; i < parts; i += 256)
		sum += part[i];
	sum = block_sum<256>(sum);
	if (threadIdx.x == 0)
		*norm = (float)sqrt(sum);
}

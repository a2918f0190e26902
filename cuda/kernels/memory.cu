// Copies, sums and the search for values that are not finite.
//
// copy, accumulate, blend: one block of 256 threads per 1024 elements, 16-byte accesses,
// the last elements singly; 8, 12 and 12 bytes moved per element. No shared memory.
//
// copy_words: where samples do not start at multiples of 16 bytes; 1024 elements a block too, four a thread, 256
// apart. 8 bytes moved per element, no shared memory.
//
// nonfinite_count, nonfinite_total: each of at most 1024 blocks counts a grid-stride
// share of x into its own word; one block adds the words. 4 bytes read per element,
// 64 bytes of shared memory.
#include "common.cuh"
#include "vec.cuh"

extern "C" __global__ void __launch_bounds__(256) copy(float *dst, const float *src, i64 n) {
	i64 i = 4 * thread_index();
	if (i + 4 <= n) {
		*(float4 *)(dst + i) = *(const float4 *)(src + i);
		return;
	}
#pragma unroll 1
	for (; i < n; i++)
		dst[i] = src[i];
}

extern "C" __global__ void __launch_bounds__(256) copy_words(float *dst, const float *src, i64 n) {
	i64 i = (i64)blockIdx.x * 1024 + threadIdx.x;
#pragma unroll
	for (int k = 0; k < 4; k++, i += 256)
		if (i < n)
			dst[i] = src[i];
}

// dst += src
extern "C" __global__ void __launch_bounds__(256) accumulate(float *dst, const float *src, i64 n) {
	i64 i = 4 * thread_index();
	if (i + 4 <= n) {
		float4 a = *(const float4 *)(dst + i), b = *(const float4 *)(src + i);
		*(float4 *)(dst + i) = make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
		return;
	}
#pragma unroll 1
	for (; i < n; i++)
		dst[i] += src[i];
}

// y = a*x + b*z. y may be x or z.
extern "C" __global__ void __launch_bounds__(256) blend(float *y, const float *x, const float *z, i64 n, float a, float b) {
	i64 i = 4 * thread_index();
	vec<4> u = load4(x, i, n), v = load4(z, i, n);
#pragma unroll
	for (int j = 0; j < 4; j++)
		u.v[j] = fmaf(a, u.v[j], b * v.v[j]);
	store4(y, i, n, u);
}

static __device__ __forceinline__ u32 nonfinite(float v) {
	return (__float_as_uint(v) & 0x7f800000u) == 0x7f800000u;
}

extern "C" __global__ void __launch_bounds__(256) nonfinite_count(u64 *part, const float *x, i64 n) {
	u64 c = 0;
	for (i64 i = 4 * thread_index(); i < n; i += 4 * thread_count()) {
		if (i + 4 <= n) {
			float4 v = *(const float4 *)(x + i);
			c += nonfinite(v.x) + nonfinite(v.y) + nonfinite(v.z) + nonfinite(v.w);
		} else {
#pragma unroll 1
			for (i64 j = i; j < n; j++)
				c += nonfinite(x[j]);
		}
	}
	c = block_sum<256>(c);
	if (threadIdx.x == 0)
		part[blockIdx.x] = c;
}

extern "C" __global__ void __launch_bounds__(256) nonfinite_total(float *count, const u64 *part, int parts) {
	u64 c = 0;
	for (int i = threadIdx.x; i < parts; i += 256)
		c += part[i];
	c = block_sum<256>(c);
	if (threadIdx.x == 0)
		*count = (float)c;
}

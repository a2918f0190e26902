// Copies, sums and the search for values that are not finite.
//
// copy, accumulate, blend: one block of 256 threads per 1024 elements, 16-byte accesses,
// the last elements singly; 8, 12 and 12 bytes moved per element. No shared memory.
//
// copy_words: where samples do not start at multiples of 16 bytes; 1024 elements a block too, four a thread, 256
// apart. 8 bytes moved per element, no shared memory.
//
// nonfinite_count, nonfinite_total: for any number of tensors in one launch, by a table of
// them. A block of 256 threads counts in 8192 elements of one tensor, into its own word;
// one block adds the words and looks for the first that is not zero. 4 bytes read per
// element; 32 bytes of shared memory, and 96 bytes of shared memory in the second.
#include "vec.cuh"

extern "C" __global__ void __launch_bounds__(256) STORED(copy)(real *dst, const real *src, i64 n) {
	i64 i = 4 * thread_index();
	store4(dst, i, n, load4(src, i, n));
}

// dst += src
extern "C" __global__ void __launch_bounds__(256) STORED(accumulate)(real *dst, const real *src, i64 n) {
	i64 i = 4 * thread_index();
	vec<4> a = load4(dst, i, n), b = load4(src, i, n);
#pragma unroll
	for (int j = 0; j < 4; j++)
		a.v[j] += b.v[j];
	store4(dst, i, n, a);
}

#ifndef BF16
extern "C" __global__ void __launch_bounds__(256) copy_words(float *dst, const float *src, i64 n) {
	i64 i = (i64)blockIdx.x * 1024 + threadIdx.x;
#pragma unroll
	for (int k = 0; k < 4; k++, i += 256)
		if (i < n)
			dst[i] = src[i];
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

extern "C" __global__ void __launch_bounds__(256) nonfinite_count(u32 *part, const Span *spans, int count) {
	Span s = spans[slot_of(spans, count, blockIdx.x)];
	i64 start = (blockIdx.x - s.first) * 8192 + 4 * threadIdx.x;
	u32 c = 0;
	for (i64 i = start; i < min(s.n, start + 8192); i += 1024) {
		if (i + 4 <= s.n) {
			float4 v = *(const float4 *)(s.x + i);
			c += nonfinite(v.x) + nonfinite(v.y) + nonfinite(v.z) + nonfinite(v.w);
		} else {
#pragma unroll 1
			for (i64 j = i; j < s.n; j++)
				c += nonfinite(s.x[j]);
		}
	}
	c = block_sum<256>(c);
	if (threadIdx.x == 0)
		part[blockIdx.x] = c;
}

extern "C" __global__ void __launch_bounds__(256) nonfinite_total(float *found, const u32 *part, int parts, const Span *spans, int count) {
	__shared__ int firsts[8];
	u64 c = 0;
	int first = parts;
	for (int i = threadIdx.x; i < parts; i += 256) {
		c += part[i];
		if (part[i] != 0)
			first = min(first, i);
	}
#pragma unroll
	for (int d = 16; d > 0; d >>= 1)
		first = min(first, __shfl_xor_sync(0xffffffffu, first, d));
	if ((threadIdx.x & 31) == 0)
		firsts[threadIdx.x >> 5] = first;
	c = block_sum<256>(c); // its barriers are those of firsts, too
	if (threadIdx.x != 0 || c == 0)
		return;
	for (int i = 0; i < 8; i++)
		first = min(first, firsts[i]);
	if (found[0] == 0.f)
		found[1] = (float)slot_of(spans, count, first);
	found[0] += (float)c;
}
#endif

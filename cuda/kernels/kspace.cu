// Single frequencies of a complex array in two tensors.
//
// kspace_peak_part, kspace_peak_finish: at most 1024 blocks find the largest element of a grid-stride share each, one block
// the largest of theirs; 8 bytes read per element, 64 bytes of shared memory.
// kspace_spike: one thread changes two elements, 24 bytes moved. spike_in_image: a warp per line along W; 8 bytes moved per
// element. Both take no shared memory.
#include "common.cuh"

// The larger one by the real part, then by the imaginary part.
static __device__ __forceinline__ float2 larger(float2 a, float2 b) { return b.x > a.x || (b.x == a.x && b.y > a.y) ? b : a; }

// Not static: see common.cuh.
__device__ __forceinline__ float2 block_largest(float2 m) {
	__shared__ float2 part[8];
#pragma unroll
	for (int d = 16; d > 0; d >>= 1)
		m = larger(m, make_float2(__shfl_xor_sync(0xffffffffu, m.x, d), __shfl_xor_sync(0xffffffffu, m.y, d)));
	if ((threadIdx.x & 31) == 0)
		part[threadIdx.x >> 5] = m;
	__syncthreads();
#pragma unroll
	for (int i = 0; i < 8; i++)
		m = larger(m, part[i]);
	return m;
}

extern "C" __global__ void __launch_bounds__(256) kspace_peak_part(float2 *part, const float *re, const float *im, i64 n) {
	float2 m = make_float2(*re, *im);
#pragma unroll 1
	for (i64 i = thread_index(); i < n; i += thread_count())
		m = larger(m, make_float2(re[i], im[i]));
	m = block_largest(m);
	if (threadIdx.x == 0)
		part[blockIdx.x] = m;
}

extern "C" __global__ void __launch_bounds__(256) kspace_peak_finish(float2 *peak, const float2 *part, int parts) {
	float2 m = part[0];
#pragma unroll 1
	for (int i = threadIdx.x; i < parts; i += 256)
		m = larger(m, part[i]);
	m = block_largest(m);
	if (threadIdx.x == 0)
		*peak = m;
}

extern "C" __global__ void kspace_spike(float *re, float *im, const float *peak, i64 at, float ratio) {
	re[at] = fmaf(ratio, peak[0], re[at]);
	im[at] = fmaf(ratio, peak[1], im[at]);
}

// How far the phase of frequency f has turned at position i of n, f and i below n.
static __device__ __forceinline__ double turn(u32 f, u32 i, u32 n) { return (double)(u32)((u64)f * i % n) / n; }

// y = x + Re(scale*peak*exp(2πi·turns)); f0, f1, f2 are the frequencies modulo the extents
// d, h, w. y may be x.
extern "C" __global__ void __launch_bounds__(256)
	spike_in_image(float *y, const float *x, const float *peak, i64 lines, u32 d, u32 h, u32 w, u32 c, u32 f0, u32 f1, u32 f2, float scale) {
	i64 at = (i64)blockIdx.x * 8 + (threadIdx.x >> 5);
	if (at >= lines)
		return;
	float re = scale * peak[0], im = scale * peak[1];
	u32 plane = (u32)(at / h);
	double turns = turn(f0, plane % d, d) + turn(f1, (u32)(at - (i64)plane * h), h);
	u32 n = w * c;
	at *= n;
#pragma unroll 1
	for (u32 i = threadIdx.x & 31; i < n; i += 32) {
		double t = turns + turn(f2, i / c, w);
		float sin, cos;
		sincospif((float)(2 * (t - rint(t))), &sin, &cos);
		y[at + i] = fmaf(re, cos, fmaf(-im, sin, x[at + i]));
	}
}

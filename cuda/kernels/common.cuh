// What the kernels share.
#pragma once

typedef long long i64;
typedef unsigned int u32;
typedef unsigned long long u64;

// store writes a result as the mode of its Into says.
static __device__ __forceinline__ void store(float *p, float v, int add) {
	*p = add ? *p + v : v;
}

// The linear number of this thread and of all threads, for grid-stride loops.
static __device__ __forceinline__ i64 thread_index() {
	return (i64)blockIdx.x * blockDim.x + threadIdx.x;
}
static __device__ __forceinline__ i64 thread_count() {
	return (i64)gridDim.x * blockDim.x;
}

// warp_sum adds over the 32 lanes; every lane gets the sum, by a fixed tree.
template <typename T> static __device__ __forceinline__ T warp_sum(T v) {
#pragma unroll
	for (int d = 16; d > 0; d >>= 1)
		v += __shfl_xor_sync(0xffffffffu, v, d);
	return v;
}

// block_sum adds over a block of THREADS threads (a multiple of 32), by a fixed
// tree; every thread must call it, thread 0 gets the sum. Shared memory is free
// for another use after the next barrier.
template <int THREADS, typename T> static __device__ __forceinline__ T block_sum(T v) {
	__shared__ T part[THREADS / 32];
	v = warp_sum(v);
	__syncthreads();
	if ((threadIdx.x & 31) == 0)
		part[threadIdx.x >> 5] = v;
	__syncthreads();
	T s = part[0];
#pragma unroll
	for (int i = 1; i < THREADS / 32; i++)
		s += part[i];
	return s;
}

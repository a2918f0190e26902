// What the kernels share. Functions with shared variables are not static: the compiler
// would put a hash of the file's path into the variables' names (make ptx refuses it).
#pragma once

typedef long long i64;
typedef unsigned int u32;
typedef unsigned long long u64;

// store writes a result as the mode of its Into says.
static __device__ __forceinline__ void store(float *p, float v, int add) {
	*p = add ? *p + v : v;
}

// presence says which neighbours a voxel at i of n has along an axis: bit 0 before, bit 1 behind.
static __device__ __forceinline__ int presence(int i, int n) { return (i > 0) | (i < n - 1) << 1; }

// The linear number of this thread and of all threads, for grid-stride loops.
static __device__ __forceinline__ i64 thread_index() {
	return (i64)blockIdx.x * blockDim.x + threadIdx.x;
}
static __device__ __forceinline__ i64 thread_count() {
	return (i64)gridDim.x * blockDim.x;
}

// slot_of is the number of the slot that a block works on. The blocks of a slot start at
// number first; slots are in ascending order of it.
template <typename S> __device__ __forceinline__ int slot_of(const S *slots, int count, i64 block) {
	int lo = 0, hi = count;
	while (hi - lo > 1) {
		int mid = (lo + hi) / 2;
		if (slots[mid].first <= block)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

// Span is one of several tensors. Its blocks start at number first.
struct Span {
	const float *x;
	i64 n, first;
};

// load_if reads p if ok, and gives zero otherwise without touching it: a predicated
// instruction where the compiler would branch.
static __device__ __forceinline__ float load_if(const float *p, bool ok) {
	float v;
	asm("{\n\t.reg .pred q;\n\tsetp.ne.u32 q, %2, 0;\n\tmov.f32 %0, 0f00000000;\n\t@q ld.global.nc.f32 %0, [%1];\n\t}"
		: "=f"(v) : "l"(p), "r"((u32)ok));
	return v;
}
static __device__ __forceinline__ float4 load4_if(const float *p, bool ok) {
	float4 v;
	asm("{\n\t.reg .pred q;\n\tsetp.ne.u32 q, %5, 0;\n\tmov.f32 %0, 0f00000000;\n\tmov.f32 %1, 0f00000000;\n\tmov.f32 %2, 0f00000000;\n\t"
		"mov.f32 %3, 0f00000000;\n\t@q ld.global.nc.v4.f32 {%0, %1, %2, %3}, [%4];\n\t}"
		: "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(p), "r"((u32)ok));
	return v;
}

// warp_sum adds over the 32 lanes; every lane gets the sum, by a fixed tree.
template <typename T> __device__ __forceinline__ T warp_sum(T v) {
#pragma unroll
	for (int d = 16; d > 0; d >>= 1)
		v += __shfl_xor_sync(0xffffffffu, v, d);
	return v;
}

// block_sum adds over a block of THREADS threads (a multiple of 32), by a fixed
// tree; every thread must call it, thread 0 gets the sum. Shared memory is free
// for another use after the next barrier.
template <int THREADS, typename T> __device__ __forceinline__ T block_sum(T v) {
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

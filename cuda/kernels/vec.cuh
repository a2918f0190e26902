// V consecutive numbers at once, V being 1 or 4 (accesses of 16 bytes, or 8 of bf16), and the place of
// a thread in a tensor.
#pragma once
#include "storage.cuh"

template <int V> struct vec {
	float v[V];
};

template <int V> static __device__ __forceinline__ vec<V> load(const float *p) {
	vec<V> r;
	if (V == 4) {
		float4 q = *(const float4 *)p;
		r.v[0] = q.x, r.v[1 % V] = q.y, r.v[2 % V] = q.z, r.v[3 % V] = q.w;
	} else {
		r.v[0] = *p;
	}
	return r;
}

template <int V> static __device__ __forceinline__ void store(float *p, vec<V> r) {
	if (V == 4)
		*(float4 *)p = make_float4(r.v[0], r.v[1 % V], r.v[2 % V], r.v[3 % V]);
	else
		*p = r.v[0];
}

template <int V> static __device__ __forceinline__ vec<V> load(const bf16 *p) {
	vec<V> r;
	if (V == 4) {
		uint2 q = *(const uint2 *)p;
		r.v[0] = first(q.x), r.v[1 % V] = second(q.x), r.v[2 % V] = first(q.y), r.v[3 % V] = second(q.y);
	} else {
		r.v[0] = get(p);
	}
	return r;
}

template <int V> static __device__ __forceinline__ void store(bf16 *p, vec<V> r) {
	if (V == 4)
		*(uint2 *)p = make_uint2(both(r.v[0], r.v[1 % V]), both(r.v[2 % V], r.v[3 % V]));
	else
		put(p, r.v[0]);
}

// store as the mode of its Into says.
template <int V, typename T> static __device__ __forceinline__ void store(T *p, vec<V> r, int add) {
	if (add) {
		vec<V> o = load<V>(p);
#pragma unroll
		for (int j = 0; j < V; j++)
			r.v[j] += o.v[j];
	}
	store(p, r);
}

template <int V> static __device__ __forceinline__ vec<V> zero() {
	vec<V> r;
#pragma unroll
	for (int j = 0; j < V; j++)
		r.v[j] = 0.f;
	return r;
}

// r += k*a
template <int V> static __device__ __forceinline__ void add_scaled(vec<V> &r, float k, vec<V> a) {
#pragma unroll
	for (int j = 0; j < V; j++)
		r.v[j] = fmaf(k, a.v[j], r.v[j]);
}

// Four elements from i on of n: at once, or singly those that there are. The others
// are zero.
template <typename T> static __device__ __forceinline__ vec<4> load4(const T *p, i64 i, i64 n) {
	if (i + 4 <= n)
		return load<4>(p + i);
	vec<4> r = zero<4>();
#pragma unroll
	for (int j = 0; j < 3; j++)
		if (i + j < n)
			r.v[j] = get(p + i + j);
	return r;
}

template <typename T> static __device__ __forceinline__ void store4(T *p, i64 i, i64 n, vec<4> r) {
	if (i + 4 <= n) {
		store(p + i, r);
		return;
	}
#pragma unroll
	for (int j = 0; j < 3; j++)
		if (i + j < n)
			put(p + i + j, r.v[j]);
}

// Place is where a thread is among the samples, d·h·w voxels and c groups of channels
// of a tensor, c fastest.
struct Place {
	u32 n, d, h, w, c;
};

// place finds it from its number. 64-bit divisions would be several times dearer.
static __device__ __forceinline__ Place place(u32 at, u32 d, u32 h, u32 w, u32 c) {
	Place p;
	u32 voxel = at / c, line = voxel / w, plane = line / h;
	p.c = at - voxel * c;
	p.w = voxel - line * w;
	p.h = line - plane * h;
	p.n = plane / d;
	p.d = plane - p.n * d;
	return p;
}

// Entries for one number and for four at a time, of what is stored.
#define BOTH_WIDTHS(NAME, PARAMS, ARGS) \
	extern "C" __global__ void __launch_bounds__(256) STORED(NAME##_v1) PARAMS { NAME<1> ARGS; } \
	extern "C" __global__ void __launch_bounds__(256) STORED(NAME##_v4) PARAMS { NAME<4> ARGS; }

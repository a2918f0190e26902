// Max-pooling over 2x2x2 voxels and its backward.
//
// maxpool: a thread per pooled voxel and V channels, eight loads and one store of
// 4V bytes; 36 bytes moved per pooled element.
// maxpool_grad: a thread per cell of 2x2x2 voxels of dx, cells cut off by an odd edge
// included, and V channels: every element of dx is written by one thread. 72 bytes
// moved per pooled element (Set); with Add only the maximum's vector is
// read and written, with a mask all of dx. No shared memory. V is 4 where c is divisible by 4, else 1.
#include "vec.cuh"

// A NaN among the values is the maximum.
static __device__ __forceinline__ float larger(float a, float b) { return b > a || b != b ? b : a; }

// Offsets of the eight voxels of a cell from its first one, the last axis fastest.
struct Cell {
	i64 h, d; // the next line and plane
	int w;    // the next voxel
	__device__ __forceinline__ i64 offset(int t) const { return (t >> 2) * d + (t >> 1 & 1) * h + (t & 1) * w; }
};

// n < 2^32 pooled vectors of a tensor with d·h·w voxels.
template <int V> static __device__ __forceinline__ void maxpool(real *y, const real *x, i64 n, int d, int h, int w, int c) {
	i64 at = thread_index();
	if (at >= n)
		return;
	Place p = place((u32)at, d / 2, h / 2, w / 2, c / V);
	Cell cell = {(i64)w * c, (i64)h * w * c, c};
	x += (((i64)p.n * d + 2 * p.d) * h + 2 * p.h) * cell.h + (i64)2 * p.w * c + p.c * V;
	vec<V> v[8];
#pragma unroll
	for (int t = 0; t < 8; t++)
		v[t] = load<V>(x + cell.offset(t));
#pragma unroll
	for (int t = 1; t < 8; t++)
#pragma unroll
		for (int j = 0; j < V; j++)
			v[0].v[j] = larger(v[0].v[j], v[t].v[j]);
	store(y + at * V, v[0]);
}

BOTH_WIDTHS(maxpool, (real *y, const real *x, i64 n, int d, int h, int w, int c), (y, x, n, d, h, w, c))

// store as the mode says, 0 where mask, which may be null, is not positive.
template <int V> static __device__ __forceinline__ void store_masked(real *dx, const real *mask, i64 at, vec<V> r, int add) {
	if (mask) {
		vec<V> m = load<V>(mask + at);
		if (add)
			add_scaled(r, 1.f, load<V>(dx + at));
#pragma unroll
		for (int j = 0; j < V; j++)
			r.v[j] = m.v[j] > 0.f ? r.v[j] : 0.f;
		add = 0;
	}
	store(dx + at, r, add);
}

// n < 2^32 vectors of cells of a tensor with d·h·w voxels.
template <int V>
static __device__ __forceinline__ void maxpool_grad(real *dx, const real *dy, const real *x, const real *y, const real *mask, i64 n, int d, int h, int w, int c, int add) {
	i64 at = thread_index();
	if (at >= n)
		return;
	Place p = place((u32)at, (d + 1) / 2, (h + 1) / 2, (w + 1) / 2, c / V);
	Cell cell = {(i64)w * c, (i64)h * w * c, c};
	i64 to = (((i64)p.n * d + 2 * p.d) * h + 2 * p.h) * cell.h + (i64)2 * p.w * c + p.c * V;
	bool in_d = 2 * p.d + 1 < d, in_h = 2 * p.h + 1 < h, in_w = 2 * p.w + 1 < w;
	if (!(in_d && in_h && in_w)) { // a dropped plane
		if (add && !mask)
			return;
#pragma unroll
		for (int t = 0; t < 8; t++)
			if ((in_d || t < 4) && (in_h || !(t & 2)) && (in_w || !(t & 1)))
				store_masked(dx, mask, to + cell.offset(t), zero<V>(), add);
		return;
	}
	i64 from = ((((i64)p.n * (d / 2) + p.d) * (h / 2) + p.h) * (w / 2) + p.w) * c + p.c * V;
	vec<V> top = load<V>(y + from), g = load<V>(dy + from), v[8];
#pragma unroll
	for (int t = 0; t < 8; t++)
		v[t] = load<V>(x + to + cell.offset(t));
	bool found[V] = {};
#pragma unroll
	for (int t = 0; t < 8; t++) {
		vec<V> r;
		bool any = false;
#pragma unroll
		for (int j = 0; j < V; j++) {
			bool here = !found[j] && v[t].v[j] == top.v[j];
			found[j] |= here;
			any |= here;
			r.v[j] = here ? g.v[j] : 0.f;
		}
		if (any || mask || !add)
			store_masked(dx, mask, to + cell.offset(t), r, add);
	}
}

BOTH_WIDTHS(maxpool_grad, (real *dx, const real *dy, const real *x, const real *y, const real *mask, i64 n, int d, int h, int w, int c, int add),
			(dx, dy, x, y, mask, n, d, h, w, c, add))

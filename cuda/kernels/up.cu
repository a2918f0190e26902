// Trilinear upsampling by two and its transpose, both by gathering.
//
// upsample: a thread per voxel of x and V channels. It reads the 3x3x3 voxels about it
// (27 loads of 4V bytes, all but one from a cache) and writes the 2x2x2 voxels of
// y that lie in it: 4.5 bytes moved per element of y.
// upsample_grad: a thread per V channels of `run` voxels of dx along d. A plane of dy,
// 4x4 voxels about dx, is summed once and used for two voxels of dx: 16(2 + 2/run)
// loads per voxel, each voxel of dy by four or more threads; 4.5 (Set) or 5 (Add)
// bytes moved per element of dy. No shared memory. V is 4 where c is divisible by 4, else 1.
#include "vec.cuh"

// n < 2^32 vectors of x, d·h·w voxels of c channels.
template <int V> static __device__ __forceinline__ void upsample(real *y, const real *x, i64 n, int d, int h, int w, int c) {
	i64 at = thread_index();
	if (at >= n)
		return;
	Place p = place((u32)at, d, h, w, c / V);
	i64 line = (i64)w * c, plane = h * line;
	x += at * V;
	// The neighbours below and above; at an edge, the voxel itself.
	i64 near_d[3] = {p.d > 0 ? -plane : 0, 0, p.d + 1 < d ? plane : 0};
	i64 near_h[3] = {p.h > 0 ? -line : 0, 0, p.h + 1 < h ? line : 0};
	int near_w[3] = {p.w > 0 ? -c : 0, 0, p.w + 1 < w ? c : 0};
	const float share[2][3] = {{0.25f, 0.75f, 0.f}, {0.f, 0.75f, 0.25f}};
	vec<V> out[2][2][2];
#pragma unroll
	for (int i = 0; i < 8; i++)
		out[i >> 2][i >> 1 & 1][i & 1] = zero<V>();
#pragma unroll
	for (int i = 0; i < 3; i++) {
		vec<V> flat[2][2]; // interpolated along h and w
#pragma unroll
		for (int b = 0; b < 4; b++)
			flat[b >> 1][b & 1] = zero<V>();
#pragma unroll
		for (int j = 0; j < 3; j++) {
			vec<V> v[3];
#pragma unroll
			for (int k = 0; k < 3; k++)
				v[k] = load<V>(x + near_d[i] + near_h[j] + near_w[k]);
#pragma unroll
			for (int b = 0; b < 2; b++) {
				vec<V> s = zero<V>();
				add_scaled(s, 0.75f, v[1]);
				add_scaled(s, 0.25f, v[2 * b]);
#pragma unroll
				for (int a = 0; a < 2; a++)
					if (share[a][j] != 0.f)
						add_scaled(flat[a][b], share[a][j], s);
			}
		}
#pragma unroll
		for (int a = 0; a < 2; a++)
			if (share[a][i] != 0.f)
#pragma unroll
				for (int b = 0; b < 4; b++)
					add_scaled(out[a][b >> 1][b & 1], share[a][i], flat[b >> 1][b & 1]);
	}
	y += (((i64)p.n * 2 * d + 2 * p.d) * 2 * h + 2 * p.h) * 2 * line + (i64)2 * p.w * c + p.c * V;
#pragma unroll
	for (int i = 0; i < 8; i++)
		store(y + (i >> 2) * 4 * plane + (i >> 1 & 1) * 2 * line + (i & 1) * c, out[i >> 2][i >> 1 & 1][i & 1]);
}

BOTH_WIDTHS(upsample, (real *y, const real *x, i64 n, int d, int h, int w, int c), (y, x, n, d, h, w, c))

// Along an axis, dx[i] = 1/4 dy[2i-1] + 3/4 dy[2i] + 3/4 dy[2i+1] + 1/4 dy[2i+2]; beyond
// an edge stands the element at the edge.
//
// n < 2^32 vectors, of ceil(d/run)·h·w voxels a sample.
template <int V>
static __device__ __forceinline__ void upsample_grad(real *dx, const real *dy, i64 n, int d, int h, int w, int c, int run, int add) {
	i64 at = thread_index();
	if (at >= n)
		return;
	Place p = place((u32)at, (d + run - 1) / run, h, w, c / V);
	i64 line = (i64)2 * w * c, plane = 2 * h * line;
	int hs[4], ws[4];
#pragma unroll
	for (int i = 0; i < 4; i++) {
		hs[i] = min(max(2 * (int)p.h - 1 + i, 0), 2 * h - 1);
		ws[i] = min(max(2 * (int)p.w - 1 + i, 0), 2 * w - 1) * c;
	}
	const real *from = dy + (i64)p.n * 2 * d * plane + p.c * V;
	auto sum = [&](int z) {
		vec<V> s = zero<V>();
		const real *q = from + min(max(z, 0), 2 * d - 1) * plane;
#pragma unroll
		for (int i = 0; i < 4; i++) {
			vec<V> t = zero<V>();
#pragma unroll
			for (int j = 0; j < 4; j++)
				add_scaled(t, j == 0 || j == 3 ? 0.25f : 0.75f, load<V>(q + hs[i] * line + ws[j]));
			add_scaled(s, i == 0 || i == 3 ? 0.25f : 0.75f, t);
		}
		return s;
	};
	int z = p.d * run, end = min(z + run, d);
	dx += (((i64)p.n * d + z) * h + p.h) * (line / 2) + (i64)p.w * c + p.c * V;
	vec<V> a = sum(2 * z - 1), b = sum(2 * z);
#pragma unroll 1
	for (; z < end; z++, dx += plane / 4) {
		vec<V> e = sum(2 * z + 1), f = sum(2 * z + 2), r = zero<V>();
		add_scaled(r, 0.25f, a);
		add_scaled(r, 0.75f, b);
		add_scaled(r, 0.75f, e);
		add_scaled(r, 0.25f, f);
		store(dx, r, add);
		a = e, b = f;
	}
}

BOTH_WIDTHS(upsample_grad, (real *dx, const real *dy, i64 n, int d, int h, int w, int c, int run, int add), (dx, dy, n, d, h, w, c, run, add))

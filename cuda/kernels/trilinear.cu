// The convolution of a trilinearly upsampled tensor, taken tap by tap on the coarse grid, where a voxel stands for eight, and
// interpolated afterwards: with z[t] = w[t]·x, which conv.cu makes as columns (t, o) of coarse voxels,
//
//	y = Σ over taps t of shift_t(U(z[t]))
//
// and the transpose. U, with the shift by a tap, is separable: along an axis fine voxel 2i + a reads coarse voxels i − 1 to i + 1.
//
// tri_combine: a thread per coarse voxel and V channels makes the 2³ voxels of y in it: 7³ loads, all but 27 taps' own from a
// cache; 13.5 bytes read and 4 written, 4 more for Add, per element of y. tri_gather: a thread per coarse voxel, V channels and a plane
// of taps: 4·6·6 loads, of which 8 are its own; 4 bytes read per element of y and 13.5 written. tri_square: a thread per coarse voxel
// and V channels, 27 loads, 26 of them from a cache; 8 bytes moved per element. No shared memory.
// V is 4 where c is divisible by 4, else 1.
#include "vec.cuh"

// interpolation is the share of coarse voxel i + δ in what fine voxel 2i + r, interpolated, is made of; voxels beyond an edge count.
static __device__ __forceinline__ float interpolation(int r, int delta) { return fmaxf(0.f, 1.f - 0.5f * fabsf(r - 2 * delta - 0.5f)); }

static __device__ __forceinline__ int clamped(int i, int n) { return min(max(i, 0), n - 1); }

// Shares are what tap t − 1 of coarse voxel i + δ is worth to the two fine voxels of i.
struct Shares {
	float at[2];
	__device__ __forceinline__ Shares(int t, int delta, int i, int n) {
		at[0] = t == 0 && i == 0 ? 0.f : interpolation(t - 1, delta);
		at[1] = t == 2 && i == n - 1 ? 0.f : interpolation(t, delta);
	}
};

// n vectors of planes of coarse voxels, of which plane from is the first, d·h·w voxels a sample; all vectors are fewer than 2³². Of z plane i is
// at place i modulo ring. y takes bias, a row for each presence of a voxel's neighbours, or null; or is added to.
template <int V>
static __device__ __forceinline__ void tri_combine(real *y, const real *z, const float *table, i64 n, int from, int ring, int d, int h, int w, int c, int relu, int add) {
	i64 at = thread_index();
	if (at >= n)
		return;
	Place p = place((u32)(at + (i64)from * h * w * (c / V)), d, h, w, c / V);
	const int pd = p.d, ph = p.h, pw = p.w;
	z += p.c * V;
	vec<V> out[2][2][2];
#pragma unroll
	for (int i = 0; i < 8; i++)
		out[i >> 2][i >> 1 & 1][i & 1] = zero<V>();
#pragma unroll 1
	for (int jd = 0; jd < 9; jd++) {
		int td = jd / 3, ed = jd % 3 - 1;
		if ((td - 1) * ed == -1)
			continue; // too far away
		const Shares sd(td, ed, pd, d);
		const real *zd = z + (i64)((p.n * d + clamped(pd + ed, d)) % ring) * h * w * 27 * c;
		vec<V> flat[2][2];
#pragma unroll
		for (int i = 0; i < 4; i++)
			flat[i >> 1][i & 1] = zero<V>();
#pragma unroll 1
		for (int jh = 0; jh < 9; jh++) {
			int th = jh / 3, eh = jh % 3 - 1;
			if ((th - 1) * eh == -1)
				continue;
			const Shares sh(th, eh, ph, h);
			const real *zh = zd + (i64)clamped(ph + eh, h) * w * 27 * c + (td * 9 + th * 3) * c;
			vec<V> line[2] = {zero<V>(), zero<V>()};
#pragma unroll
			for (int jw = 0; jw < 9; jw++) {
				const int tw = jw / 3, ew = jw % 3 - 1;
				if ((tw - 1) * ew == -1)
					continue;
				const Shares sw(tw, ew, pw, w);
				vec<V> v = load<V>(zh + (i64)clamped(pw + ew, w) * 27 * c + tw * c);
				add_scaled(line[0], sw.at[0], v);
				add_scaled(line[1], sw.at[1], v);
			}
#pragma unroll
			for (int i = 0; i < 4; i++)
				add_scaled(flat[i >> 1][i & 1], sh.at[i >> 1], line[i & 1]);
		}
#pragma unroll
		for (int i = 0; i < 8; i++)
			add_scaled(out[i >> 2][i >> 1 & 1][i & 1], sd.at[i >> 2], flat[i >> 1 & 1][i & 1]);
	}
#pragma unroll
	for (int i = 0; i < 8; i++) {
		const int fd = 2 * pd + (i >> 2), fh = 2 * ph + (i >> 1 & 1), fw = 2 * pw + (i & 1);
		real *to = y + ((((i64)p.n * 2 * d + fd) * 2 * h + fh) * 2 * w + fw) * c + p.c * V;
		vec<V> v = out[i >> 2][i >> 1 & 1][i & 1];
		if (table)
			add_scaled(v, 1.f, load<V>(table + (presence(fd, 2 * d) << 4 | presence(fh, 2 * h) << 2 | presence(fw, 2 * w)) * c + p.c * V));
		if (add)
			add_scaled(v, 1.f, load<V>(to));
		if (relu)
#pragma unroll
			for (int j = 0; j < V; j++)
				v.v[j] = v.v[j] < 0.f ? 0.f : v.v[j]; // NaN stays
		store(to, v);
	}
}

BOTH_WIDTHS(tri_combine, (real *y, const real *z, const float *table, i64 n, int from, int ring, int d, int h, int w, int c, int relu, int add),
			(y, z, table, n, from, ring, d, h, w, c, relu, add))

// gathered is what dy of fine voxel f is worth to tap t − 1 of coarse voxel i of n.
static __device__ __forceinline__ float gathered(int f, int t, int i, int n) {
	int r = f + t - 1;
	if ((u32)f >= 2 * (u32)n || (u32)r >= 2 * (u32)n)
		return 0.f;
	// Beyond an edge stands the voxel at the edge.
	float share = interpolation(r - 2 * i, 0);
	if (i == 0 && r == 0)
		share += 0.25f;
	return i == n - 1 && r == 2 * n - 1 ? share + 0.25f : share;
}

// z[i][t][c] of n vectors of planes of coarse voxels, of which plane from is the first, d·h·w voxels a sample; all vectors are fewer than 2³².
// blockIdx.y is the tap along d.
template <int V> static __device__ __forceinline__ void tri_gather(real *z, const real *dy, i64 n, int from, int d, int h, int w, int c) {
	i64 at = thread_index();
	if (at >= n)
		return;
	Place p = place((u32)(at + (i64)from * h * w * (c / V)), d, h, w, c / V);
	const int pd = p.d, ph = p.h, pw = p.w, td = blockIdx.y;
	float share[3][6];
#pragma unroll
	for (int t = 0; t < 3; t++)
#pragma unroll
		for (int k = 0; k < 6; k++)
			share[t][k] = gathered(2 * pw - 2 + k, t, pw, w);
	vec<V> acc[3][3];
#pragma unroll
	for (int i = 0; i < 9; i++)
		acc[i / 3][i % 3] = zero<V>();
#pragma unroll 1
	for (int kd = 0; kd < 4; kd++) {
		const int fd = 2 * pd - td + kd;
		const float sd = gathered(fd, td, pd, d);
		if (sd == 0.f)
			continue;
#pragma unroll 1
		for (int kh = 0; kh < 6; kh++) {
			const int fh = 2 * ph - 2 + kh;
			if ((u32)fh >= 2 * (u32)h)
				continue;
			const real *q = dy + (((i64)p.n * 2 * d + fd) * 2 * h + fh) * 2 * w * c + p.c * V;
			vec<V> line[3] = {zero<V>(), zero<V>(), zero<V>()};
#pragma unroll
			for (int k = 0; k < 6; k++) {
				vec<V> v = load<V>(q + (i64)clamped(2 * pw - 2 + k, 2 * w) * c);
#pragma unroll
				for (int t = 0; t < 3; t++)
					add_scaled(line[t], share[t][k], v);
			}
#pragma unroll
			for (int t = 0; t < 3; t++) {
				const float sh = sd * gathered(fh, t, ph, h);
#pragma unroll
				for (int u = 0; u < 3; u++)
					add_scaled(acc[t][u], sh, line[u]);
			}
		}
	}
	z += ((((i64)p.n * d + pd - from) * h + ph) * w + pw) * 27 * c + td * 9 * c + p.c * V;
#pragma unroll
	for (int i = 0; i < 9; i++)
		store(z + i * c, acc[i / 3][i % 3]);
}

BOTH_WIDTHS(tri_gather, (real *z, const real *dy, i64 n, int from, int d, int h, int w, int c), (z, dy, n, from, d, h, w, c))

#ifndef BF16
// q = UᵀU(x − shift): along an axis 3/8, 5/4, 3/8, beyond an edge stands the voxel at the edge. shift may be null.
template <int V> static __device__ __forceinline__ void tri_square(float *q, const float *x, const float *shift, i64 n, int d, int h, int w, int c) {
	i64 at = thread_index();
	if (at >= n)
		return;
	Place p = place((u32)at, d, h, w, c / V);
	vec<V> s = zero<V>(), from = shift ? load<V>(shift + p.c * V) : zero<V>();
#pragma unroll 1
	for (int k = 0; k < 9; k++) {
		const int kd = k / 3 - 1, kh = k % 3 - 1;
		const float *line = x + (((i64)p.n * d + clamped((int)p.d + kd, d)) * h + clamped((int)p.h + kh, h)) * w * c + p.c * V;
		const float share = (kd ? 0.375f : 1.25f) * (kh ? 0.375f : 1.25f);
#pragma unroll
		for (int kw = -1; kw <= 1; kw++) {
			vec<V> v = load<V>(line + (i64)clamped((int)p.w + kw, w) * c);
			add_scaled(v, -1.f, from);
			add_scaled(s, share * (kw ? 0.375f : 1.25f), v);
		}
	}
	store(q + at * V, s);
}

BOTH_WIDTHS(tri_square, (float *q, const float *x, const float *shift, i64 n, int d, int h, int w, int c), (q, x, shift, n, d, h, w, c))
#endif

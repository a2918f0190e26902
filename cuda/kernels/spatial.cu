// Images moved, and lines multiplied by a matrix.
//
// along_axis, along_lines: a small GEMM. A block of 128 threads makes 32×64 elements, 4×4 a thread, in stages
// of 16 terms through 6.3 KiB of shared memory. along_axis: rows of the matrix by columns
// of x, for an axis with many values behind each position; along_lines: lines of x by rows of the matrix, for
// the last axis. Neighbouring threads read and write neighbouring values in both. A stage whose
// coefficients are all zero reads no x: a band matrix costs its band. Every element is one chain of fused
// multiply-adds in ascending order, so equal lines give equal bits wherever they lie.
// Bytes moved: x once for 32 (64) rows of the matrix, y once.
//
// orient: a thread per element of y. 8 bytes an element; reads meet the same sectors from eight blocks
// where the last axis moved.
// resample: a thread per voxel of y. Up to 32 bytes read per element, mostly again from the cache, and 4 written.
// Both take no shared memory.
#include "vec.cuh"

constexpr int ROWS = 32, COLS = 64, TERMS = 16;

// The matrix product seen from a tile: row r and column c are numbers of a line
// of x (its first value at line[]) or of a row of the matrix.
struct Along {
	float *y;
	const float *x, *m;
	u32 lines; // of x
	int rows, cols;
	u32 inner; // values behind each position along the axis
	int add;

	__device__ __forceinline__ i64 first(u32 line, int extent) const {
		u32 outer = line / inner;
		return (i64)outer * extent * inner + (line - outer * inner);
	}
};

// LINES: the tile's rows are lines of x, its columns rows of the matrix; else the
// other way round.
template <bool LINES> __device__ __forceinline__ void along(const Along &p) {
	__shared__ float a[TERMS][ROWS + 4];
	__shared__ float b[TERMS][COLS + 1];
	const int t = threadIdx.x, step = COLS / 4;
	const int tr = t / step * 4, tc = t % step;
	const i64 r0 = (i64)(LINES ? blockIdx.x : blockIdx.y) * ROWS, c0 = (i64)(LINES ? blockIdx.y : blockIdx.x) * COLS;
	const i64 rows = LINES ? (i64)p.lines : p.rows, cols = LINES ? p.rows : (i64)p.lines;
	// Who loads what: for the matrix, and for lines one behind the other, sixteen threads a
	// row; else 64 threads neighbouring columns.
	const int k = t % TERMS, pass = t / TERMS;
	i64 from[LINES ? 4 : 1];
	if (LINES) {
#pragma unroll
		for (int i = 0; i < 4; i++)
			from[i % (LINES ? 4 : 1)] = p.first((u32)min(r0 + pass + 8 * i, rows - 1), p.cols);
	} else {
		from[0] = p.first((u32)min(c0 + t % COLS, cols - 1), p.cols);
	}
	float acc[4][4] = {};
#pragma unroll 1
	for (int q = 0; q < p.cols; q += TERMS) {
		bool any = false;
#pragma unroll
		for (int i = 0; i < (LINES ? COLS : ROWS); i += 8) {
			i64 row = (LINES ? c0 : r0) + pass + i;
			float v = load_if(p.m + row * p.cols + q + k, row < p.rows && q + k < p.cols);
			any |= v != 0.f;
			(LINES ? b[k] : a[k])[pass + i] = v;
		}
		if (!__syncthreads_or(any))
			continue;
		if (LINES) {
#pragma unroll
			for (int i = 0; i < 4; i++)
				a[k][pass + 8 * i] = load_if(p.x + from[i % (LINES ? 4 : 1)] + (i64)(q + k) * p.inner, r0 + pass + 8 * i < rows && q + k < p.cols);
		} else {
#pragma unroll
			for (int i = 0; i < TERMS; i += 2) {
				int l = i + t / COLS;
				b[l][t % COLS] = load_if(p.x + from[0] + (i64)(q + l) * p.inner, c0 + t % COLS < cols && q + l < p.cols);
			}
		}
		__syncthreads();
#pragma unroll
		for (int l = 0; l < TERMS; l++) {
			float4 av = *(const float4 *)&a[l][tr];
			float u[4] = {av.x, av.y, av.z, av.w};
#pragma unroll
			for (int j = 0; j < 4; j++) {
				float v = b[l][tc + step * j];
#pragma unroll
				for (int i = 0; i < 4; i++)
					acc[i][j] = fmaf(u[i], v, acc[i][j]);
			}
		}
		__syncthreads();
	}
	i64 to[4]; // the lines' places in y
#pragma unroll
	for (int l = 0; l < 4; l++)
		to[l] = p.first((u32)min(LINES ? r0 + tr + l : c0 + tc + step * l, (i64)p.lines - 1), p.rows);
#pragma unroll
	for (int i = 0; i < 4; i++) {
		i64 r = r0 + tr + i;
#pragma unroll
		for (int j = 0; j < 4; j++) {
			i64 c = c0 + tc + step * j;
			if (r < rows && c < cols)
				store(p.y + to[LINES ? i : j] + (LINES ? c : r) * p.inner, acc[i][j], p.add);
		}
	}
}

extern "C" __global__ void __launch_bounds__(128) along_axis(float *y, const float *x, const float *m, u32 lines, int rows, int cols, u32 inner, int add) {
	along<false>({y, x, m, lines, rows, cols, inner, add});
}
extern "C" __global__ void __launch_bounds__(128) along_lines(float *y, const float *x, const float *m, u32 lines, int rows, int cols, u32 inner, int add) {
	along<true>({y, x, m, lines, rows, cols, inner, add});
}

// y's voxel (n,i) is x's at n*sample + first + i·step; d, h, w are y's extents.
extern "C" __global__ void __launch_bounds__(256)
	orient(float *y, const float *x, u32 n, u32 d, u32 h, u32 w, u32 c, i64 sample, i64 first, i64 step_d, i64 step_h, i64 step_w) {
	u32 i = blockIdx.x * 256 + threadIdx.x;
	if (i >= n)
		return;
	Place p = place(i, d, h, w, c);
	y[i] = x[p.n * sample + first + p.d * step_d + p.h * step_h + p.w * step_w + p.c];
}

// Cell is where a point lies between two voxels along an axis.
struct Cell {
	i64 near, far; // offsets
	float t;
	// False if the point is outside the n voxels. The point is computed as in Go.
	__device__ __forceinline__ bool find(Place p, double a, double b, double c, double d, int n, i64 step) {
		double at = __dadd_rn(__dadd_rn(__dadd_rn(__dmul_rn(a, p.d), __dmul_rn(b, p.h)), __dmul_rn(c, p.w)), d);
		double last = n - 1;
		if (!(at >= -0.5 && at < last + 0.5))
			return false;
		at = fmin(fmax(at, 0.), last);
		int k = (int)at;
		near = k * step, far = min(k + 1, n - 1) * step;
		t = (float)(at - k);
		return true;
	}
};

static __device__ __forceinline__ float mix(float a, float b, float t) { return fmaf(t, b, fmaf(-t, a, a)); }

// y is n voxels of d, h, w; x has xd, xh, xw. The matrix is one row after the other.
extern "C" __global__ void __launch_bounds__(256)
	resample(float *y, const float *x, const float *outside, u32 n, u32 d, u32 h, u32 w, int c, int xd, int xh, int xw, double a0, double a1, double a2, double a3,
			 double b0, double b1, double b2, double b3, double c0, double c1, double c2, double c3) {
	u32 i = blockIdx.x * 256 + threadIdx.x;
	if (i >= n)
		return;
	Place p = place(i, d, h, w, 1);
	i64 line = (i64)xw * c, plane = xh * line;
	Cell u, v, s;
	bool inside = u.find(p, a0, a1, a2, a3, xd, plane) && v.find(p, b0, b1, b2, b3, xh, line) && s.find(p, c0, c1, c2, c3, xw, c);
	x += p.n * xd * plane;
	y += (i64)i * c;
#pragma unroll 1
	for (int k = 0; k < c; k++, x++) {
		float r = *outside;
		if (inside) {
			const float *q = x + u.near, *o = x + u.far;
			float e = mix(mix(q[v.near + s.near], q[v.near + s.far], s.t), mix(q[v.far + s.near], q[v.far + s.far], s.t), v.t);
			float f = mix(mix(o[v.near + s.near], o[v.near + s.far], s.t), mix(o[v.far + s.near], o[v.far + s.far], s.t), v.t);
			r = mix(e, f, u.t);
		}
		y[k] = r;
	}
}

// What the kernels on tensor cores share: mma.sync, ldmatrix, cp.async, and a window's geometry.
//
// Operands are bf16 in products of 16 or tf32, in words of 32 bits, in products of 8: 32 bytes of a matrix's row
// either way, so that ldmatrix, which moves bytes, serves both.
#pragma once
#include "vec.cuh"

static __device__ __forceinline__ u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

// copy16 starts a copy of 16 bytes to shared memory, zeros unless ok; p is then not read.
static __device__ __forceinline__ void copy16(u32 to, const void *p, bool ok) {
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(p), "r"(ok ? 16 : 0) : "memory");
}

// arrive waits for this thread's copies and then for the block: all copies can be read, and
// what was read before can be copied over.
static __device__ __forceinline__ void arrive() {
	asm volatile("cp.async.wait_all;" ::: "memory");
	__syncthreads();
}

// Four matrices of 8 rows of 16 bytes; lanes 8i to 8i+7 have the addresses of matrix i's rows.
static __device__ __forceinline__ void matrices(u32 (&r)[4], u32 a) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(a) : "memory");
}
static __device__ __forceinline__ void matrices_transposed(u32 (&r)[4], u32 a) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
		: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(a) : "memory");
}

static __device__ __forceinline__ u32 shared_word(u32 a) {
	u32 v;
	asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(a) : "memory");
	return v;
}

// d += a·b, 16 by 8 by 32 bytes.
template <bool TF32> __device__ __forceinline__ void mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	if (TF32)
		asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
			: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
	else
		asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
			: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Box is a window along one axis as a halo tile sees it: output position v·ostride + first, v < n, sums over
// input position (v + j)·scale + off and the kernel's position tap + j·step, j < taps.
struct Box {
	int n, scale, off, tap, step, taps, first, ostride;
};

// gathered: output v reads input v·stride − pad + k. Of the kernel's positions those of one phase modulo the stride.
static __device__ __forceinline__ Box gathered(int out, int k, int stride, int pad, int phase) {
	return {out, stride, phase - pad, phase, stride, phase < k ? (k - phase + stride - 1) / stride : 0, 0, 1};
}

// scattered: input u adds to output u·stride − pad + k. Of the outputs those of one class modulo the stride.
static __device__ __forceinline__ Box scattered(int out, int k, int stride, int pad, int cls) {
	int from = (cls + pad) % stride, taps = from < k ? (k - from + stride - 1) / stride : 0;
	return {(out - cls + stride - 1) / stride, 1, (cls + pad - from) / stride - taps + 1, from + (taps - 1) * stride, -stride, taps, cls, stride};
}

// copy_box copies a box of voxels' channels to shared memory, a row of voxels a warp: ext voxels of which the first is
// voxel at and the next step apart, pieces times 16 bytes of each, zeros where a voxel is outside x's size or a piece
// is not one of the first there.
struct Grid {
	int d, h, w;
};
static __device__ __forceinline__ void copy_box(u32 to, int pitch, const char *x, i64 voxelBytes, Grid size, Grid at, Grid step, Grid ext, int pieces, int there) {
	const int lane = threadIdx.x % 32, warps = blockDim.x / 32, reciprocal = 65536 / pieces + 1;
	for (int r = threadIdx.x / 32; r < ext.d * ext.h; r += warps) {
		int j = r / ext.h, d = at.d + j * step.d, h = at.h + (r - j * ext.h) * step.h;
		bool row = (u32)d < (u32)size.d && (u32)h < (u32)size.h;
		const char *line = x + ((i64)d * size.h + h) * size.w * voxelBytes;
		for (int i = lane; i < ext.w * pieces; i += 32) {
			int v = i * reciprocal >> 16, piece = i - v * pieces, w = at.w + v * step.w;
			bool ok = row && (u32)w < (u32)size.w && piece < there;
			copy16(to + (r * ext.w + v) * pitch + piece * 16, ok ? line + w * voxelBytes + piece * 16 : x, ok);
		}
	}
}

// Last is what becomes of a sum: y = act(sum + what was there + bias + zscale·z), or 0 where a mask is not positive.
struct Last {
	void *y;
	const float *bias, *zscale;
	const void *z, *mask;            // of y's shape; may be null
	int table, relu, add, half, co;  // table: bias has a row for each presence of a voxel's neighbours; half: 1: y is bf16, 2: z, 4: mask

	template <bool HALF, int V> static __device__ __forceinline__ vec<V> at(const void *p, i64 i, bool half) {
		return HALF && half ? load<V>((const bf16 *)p + i) : load<V>((const float *)p + i);
	}

	// V elements from at on, of channels from c on; HALF: any of the tensors may be bf16.
	template <bool HALF, int V> __device__ __forceinline__ void store(vec<V> v, i64 i, int c, int presence) const {
		if (add)
			add_scaled(v, 1.f, at<HALF, V>(y, i, half & 1));
		if (bias)
			add_scaled(v, 1.f, load<V>(bias + (table ? presence * co : 0) + c));
		if (z) {
			vec<V> q = at<HALF, V>(z, i, half & 2), k = load<V>(zscale + c);
#pragma unroll
			for (int j = 0; j < V; j++)
				v.v[j] = fmaf(k.v[j], q.v[j], v.v[j]);
		}
		if (mask) {
			vec<V> m = at<HALF, V>(mask, i, half & 4);
#pragma unroll
			for (int j = 0; j < V; j++)
				v.v[j] = m.v[j] > 0.f ? v.v[j] : 0.f;
		}
		if (relu)
#pragma unroll
			for (int j = 0; j < V; j++)
				v.v[j] = v.v[j] < 0.f ? 0.f : v.v[j]; // NaN stays
		if (HALF && half & 1)
			::store((bf16 *)y + i, v);
		else
			::store((float *)y + i, v);
	}
};

// What the convolutions between few channels and many share: their arguments, a block's tile, and pieces of 16 bytes of channels.
#pragma once
#include "storage.cuh"

constexpr int EACH = 16 / sizeof(real); // channels of a piece

struct Few {
	const float *w;                       // [position][few][wide], or [position][wide][few]
	int few, wide, wideFirst, mirrored;   // mirrored: positions count backwards
	int d, h, wi;                         // the grid
	__device__ __forceinline__ i64 place(int tap, int t, int c) const {
		i64 k = mirrored ? 26 - tap : tap;
		return wideFirst ? (k * wide + c) * few + t : (k * few + t) * wide + c;
	}
	__device__ __forceinline__ float weight(int tap, int t, int c) const { return load_if(w + place(tap, t, c), t < few && c < wide); }
};

// FewTile is a tile of 8×8 voxels, so many deep: its first one.
struct FewTile {
	int n, d, h, w;
	__device__ __forceinline__ FewTile(int b, const Few &p, int depth) {
		int tw = (p.wi + 7) / 8, th = (p.h + 7) / 8, td = (p.d + depth - 1) / depth;
		w = b % tw * 8, b /= tw;
		h = b % th * 8, b /= th;
		d = b % td * depth, n = b / td;
	}
	// voxel is the number of the tensor's voxel that is number v of the tile's halo, ten by ten in a plane; -1 outside the grid.
	__device__ __forceinline__ int voxel(const Few &p, int v) const {
		int z = d + v / 100 - 1, y = h + v / 10 % 10 - 1, x = w + v % 10 - 1;
		return (u32)z < (u32)p.d && (u32)y < (u32)p.h && (u32)x < (u32)p.wi ? ((n * p.d + z) * p.h + y) * p.wi + x : -1;
	}
};

// The last step of a sum, where a mask's value is m, 1 without one.
static __device__ __forceinline__ float last(float s, float m, int relu) {
	const float least = relu ? 0.f : __int_as_float(0xff800000); // -∞
	s = s < least ? least : s; // NaN stays
	return m > 0.f ? s : 0.f;
}

// load16_if reads 16 bytes if ok.
static __device__ __forceinline__ uint4 load16_if(const void *p, bool ok) {
	uint4 v;
	asm("{\n\t.reg .pred q;\n\tsetp.ne.u32 q, %5, 0;\n\tmov.u32 %0, 0;\n\tmov.u32 %1, 0;\n\tmov.u32 %2, 0;\n\tmov.u32 %3, 0;\n\t"
		"@q ld.global.v4.u32 {%0, %1, %2, %3}, [%4];\n\t}"
		: "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p), "r"((u32)ok));
	return v;
}

// The numbers of a piece, or of half of one of bf16.
static __device__ __forceinline__ void numbers(float (&v)[4], uint4 q, const float *) {
	v[0] = __uint_as_float(q.x), v[1] = __uint_as_float(q.y), v[2] = __uint_as_float(q.z), v[3] = __uint_as_float(q.w);
}
static __device__ __forceinline__ void numbers(float (&v)[8], uint4 q, const bf16 *) {
	v[0] = first(q.x), v[1] = second(q.x), v[2] = first(q.y), v[3] = second(q.y);
	v[4] = first(q.z), v[5] = second(q.z), v[6] = first(q.w), v[7] = second(q.w);
}
template <typename T> static __device__ __forceinline__ void staged(float (&v)[16 / sizeof(T)], const T *p) { numbers(v, *(const uint4 *)p, p); }
static __device__ __forceinline__ void staged(float (&v)[4], const bf16 *p) {
	uint2 q = *(const uint2 *)p;
	v[0] = first(q.x), v[1] = second(q.x), v[2] = first(q.y), v[3] = second(q.y);
}
static __device__ __forceinline__ uint4 packed(const float (&v)[4]) {
	return make_uint4(__float_as_uint(v[0]), __float_as_uint(v[1]), __float_as_uint(v[2]), __float_as_uint(v[3]));
}
#ifdef BF16
static __device__ __forceinline__ uint4 packed(const float (&v)[8]) { return make_uint4(both(v[0], v[1]), both(v[2], v[3]), both(v[4], v[5]), both(v[6], v[7])); }
#endif

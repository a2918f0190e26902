// What the convolutions to one or two channels on tensor cores share: a block's tile, and loads.
#pragma once
#include "conv_few.cuh"
#include "mma.cuh"

constexpr int W = 16, H = 8, ROW = W + 2, PLANE = ROW * (H + 2); // a tile along w and h, and with its halo

// Tile16 is a tile's first voxel.
struct Tile16 {
	int n, d, h, w;
	__device__ __forceinline__ Tile16(int b, const Few &p, int depth) {
		int tw = (p.wi + W - 1) / W, th = (p.h + H - 1) / H, td = (p.d + depth - 1) / depth;
		w = b % tw * W, b /= tw;
		h = b % th * H, b /= th;
		d = b % td * depth, n = b / td;
	}
	// voxel is the number of the tensor's voxel that is so far from the first one; -1 outside the grid.
	__device__ __forceinline__ int voxel(const Few &p, int dd, int dh, int dw) const {
		int z = d + dd, y = h + dh, x = w + dw;
		return (u32)z < (u32)p.d && (u32)y < (u32)p.h && (u32)x < (u32)p.wi ? ((n * p.d + z) * p.h + y) * p.wi + x : -1;
	}
};

// fetch reads 16 or 8 bytes if ok; else v stays.
static __device__ __forceinline__ void fetch(uint4 &v, const void *p, bool ok) {
	asm("{\n\t.reg .pred q;\n\tsetp.ne.u32 q, %5, 0;\n\t@q ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];\n\t}" : "+r"(v.x), "+r"(v.y), "+r"(v.z), "+r"(v.w) : "l"(p), "r"((u32)ok));
}
static __device__ __forceinline__ void fetch(uint2 &v, const void *p, bool ok) {
	asm("{\n\t.reg .pred q;\n\tsetp.ne.u32 q, %3, 0;\n\t@q ld.global.nc.v2.u32 {%0, %1}, [%2];\n\t}" : "+r"(v.x), "+r"(v.y) : "l"(p), "r"((u32)ok));
}

// How a kernel's activations are stored: as float or, in a source compiled with BF16 defined, as bf16. Arithmetic is
// that of float either way; a result is rounded once, where it is stored, to the nearest with ties to even.
#pragma once
#include "common.cuh"

struct bf16 {
	unsigned short bits;
};

// real is what is stored; STORED is the name of an entry for it.
#ifdef BF16
typedef bf16 real;
#define STORED(name) name##_bf16
#else
typedef float real;
#define STORED(name) name
#endif

static __device__ __forceinline__ float get(const float *p) { return *p; }
static __device__ __forceinline__ float get(const bf16 *p) { return __uint_as_float((u32)p->bits << 16); }

// read is get of what no thread of the kernel writes.
static __device__ __forceinline__ float read(const float *p) { return __ldg(p); }
static __device__ __forceinline__ float read(const bf16 *p) { return __uint_as_float((u32)__ldg(&p->bits) << 16); }

// The two numbers of a word, the first in the lower half.
static __device__ __forceinline__ float first(u32 w) { return __uint_as_float(w << 16); }
static __device__ __forceinline__ float second(u32 w) { return __uint_as_float(w & 0xffff0000u); }
static __device__ __forceinline__ u32 both(float a, float b) {
	u32 w;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(b), "f"(a));
	return w;
}

// As load_if of a float.
static __device__ __forceinline__ float load_if(const bf16 *p, bool ok) {
	unsigned short v;
	asm("{\n\t.reg .pred q;\n\tsetp.ne.u32 q, %2, 0;\n\tmov.u16 %0, 0;\n\t@q ld.global.nc.u16 %0, [%1];\n\t}" : "=h"(v) : "l"(p), "r"((u32)ok));
	return __uint_as_float((u32)v << 16);
}

static __device__ __forceinline__ void put(float *p, float v) { *p = v; }
static __device__ __forceinline__ void put(bf16 *p, float v) { p->bits = (unsigned short)both(v, 0.f); }
static __device__ __forceinline__ void store(bf16 *p, float v, int add) { put(p, add ? get(p) + v : v); }

// store_two stores two numbers behind each other, of which left belong to the row; pairs: at once.
static __device__ __forceinline__ void store_two(float *p, float a, float b, int left, bool pairs) {
	if (pairs && left > 0) {
		*(float2 *)p = make_float2(a, b);
		return;
	}
	if (left > 0)
		p[0] = a;
	if (left > 1)
		p[1] = b;
}

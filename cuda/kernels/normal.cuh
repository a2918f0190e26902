// Normal numbers with the bits of package internal/rng.
#pragma once
#include "normal_table.cuh"
#include "philox.cuh"

// The quantile of a word, rng.Normal32: a polynomial for each octave. Every step is
// exact or rounded as there.
static __device__ __forceinline__ float normal32(u32 w) {
	u32 m = w << 1 | 1;
	int octave = 31 - __clz(m);
	double s = __fma_rn((double)m, __hiloint2double((1024 - octave) << 20, 0), -3.0);
	const double *c = normal_quantile[octave];
	double z = c[9];
#pragma unroll
	for (int k = 8; k >= 0; k--)
		z = __fma_rn(z, s, c[k]);
	float r = __double2float_rn(z);
	return w >> 31 ? -r : r;
}

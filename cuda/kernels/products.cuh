// Which blocks of weights meet in the products that a transposed 2³ convolution with a 3³ one behind it needs; composite.cu has what they are for. A block z of
// the result is a sum over pairs of blocks, as numbers of A's and B's blocks: positions k of the transposed convolution's window, t of the other's and q of the composite one's,
// of which q = k − t + 2 along each axis meet.
#pragma once
#include "common.cuh"

enum Which {
	COMPOSITE, // of q: up[k]·w[t]
	TAPS,      // of t: up[k]ᵀ·sums[q]
	UPS,       // of k: sums[q]·w[t]ᵀ
	SQUARE,    // up[k]·up[k]ᵀ
	SECOND,    // of k: A·up[k]
};

// Terms are those of a block of the result, which is number z of C.
struct Terms {
	int which, z; // z: k, t or q
	u32 left;     // the terms that are left
	int a, b;     // blocks of the one at hand

	static constexpr int TWO = 2 << 4 | 2 << 2 | 2;

	// Positions with two bits an axis.
	static __device__ __forceinline__ int ups(int k) { return (k & 4) << 2 | (k & 2) << 1 | (k & 1); }
	static __device__ __forceinline__ int taps(int t) { return t / 9 << 4 | t / 3 % 3 << 2 | t % 3; }

	// Of several shares of a sum one has so many terms.
	__device__ __forceinline__ Terms(int which, int block, int share, int ofShare) : which(which), z(block), left(which == UPS ? (1 << 27) - 1 : which == SECOND ? 1 : 255) {
		left &= ((1u << ofShare) - 1) << share * ofShare;
		if (which != COMPOSITE)
			return;
		z = left = 0;
#pragma unroll
		for (int axis = 0; axis < 3; axis++) { // positions that most products meet come first
			const int light = block >> (3 + axis) & 1, side = block >> axis & 1;
			z |= (light ? 3 * side : 1 + side) << 2 * axis;
		}
#pragma unroll
		for (int k = 0; k < 8; k++) {
			bool meets = true;
#pragma unroll
			for (int axis = 0; axis < 3; axis++)
				meets = meets && (u32)((k >> axis & 1) + 2 - (z >> 2 * axis & 3)) < 3;
			left |= (u32)meets << k;
		}
	}

	// next goes to the term behind.
	__device__ __forceinline__ void next() {
		const int j = __ffs(left) - 1;
		left &= left - 1;
		a = which == UPS ? ups(z) + TWO - taps(j) : which == SECOND ? 0 : j;
		b = which == TAPS ? ups(j) + TWO - taps(z) : which == SECOND ? z : j;
		if (which == COMPOSITE) {
			const int t = ups(j) + TWO - z;
			b = (t >> 4) * 9 + (t >> 2 & 3) * 3 + (t & 3);
		}
	}
};

// Matrices is what a kernel takes: C[z] = Σ A[a]·B[b], m by n, over k, rows lda and ldb apart, blocks so many numbers apart. C is dense; where sums have shares, of so many terms
// each, it has a part for each.
struct Matrices {
	float *c;
	const float *a, *b;
	const float *gamma, *invstd; // gamma[i]·invstd[i], or gamma[i] where invstd is null, are factors of what k counts, of C's columns if columns; may be null
	int columns, which, blocks, ofShare, m, n, k, lda, ldb;
	i64 aStep, bStep;

	__device__ __forceinline__ Terms terms() const { return Terms(which, blockIdx.z % blocks, blockIdx.z / blocks, ofShare); }
	__device__ __forceinline__ float *block(const Terms &t) const { return c + ((i64)(blockIdx.z / blocks) * blocks + t.z) * m * n; }
	__device__ __forceinline__ float factor(int i, bool ok) const { return load_if(gamma + i, ok) * (invstd ? load_if(invstd + i, ok) : 1.f); }
};

#define MATRICES float *c, const float *a, const float *b, const float *gamma, const float *invstd, int columns, int which, int blocks, int ofShare, int m, int n, int k, int lda, int ldb, i64 aStep, i64 bStep
#define THE_MATRICES {c, a, b, gamma, invstd, columns, which, blocks, ofShare, m, n, k, lda, ldb, aStep, bStep}

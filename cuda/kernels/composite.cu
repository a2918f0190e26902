// A transposed 2³ convolution with stride 2, followed by a 3³ one, as one transposed 4³ convolution with stride 2 and padding 1: coarse
// voxel x reaches fine voxel 2x + k through up[k], which is 2x + q − 1 through tap t, q = k − t + 1 for t from −1 to 1:
//
//	w4[q] = Σ over k − t + 1 = q of up[k]·w[t]
//
// The gradients of up and w follow from those of w4, sums[q] = Σ x·dy, and what the statistics pass on from Σ of up[k]·scale·up[k]ᵀ and of (Σ xxᵀ)·up[k]. All of these are
// products of weights with weights: products.cu.
//
// up_grad_w: a thread, of 256, for each element of the result; no shared memory; bytes moved: 4 written per element and 4 read for each term. up_row, up_grad_b: a block for
// each element, which reads 4 bytes for each of up's weights that it meets; 64 bytes of shared memory.
#include "common.cuh"

// Passed is what the statistics pass on to channel l of the upsampled tensor: shift + scale·u, where u = bias[l] + ….
struct Passed {
	const double *p;
	const float *bias;
	int n;
	__device__ __forceinline__ double constant(int l) const { return p[l] + (bias ? p[n + l] * bias[l] : 0.); }
};

// row[i] = Σ over k, l of up[k][i][l]·(shift[l] + scale[l]·bias[l]).
extern "C" __global__ void __launch_bounds__(256) up_row(float *row, const float *up, const double *passed, const float *bias, int ci, int co) {
	const Passed to = {passed, bias, co};
	double s = 0;
	for (int e = threadIdx.x; e < 8 * co; e += 256)
		s += __ldg(up + ((i64)(e / co) * ci + blockIdx.x) * co + e % co) * to.constant(e % co);
	s = block_sum<256>(s);
	if (threadIdx.x == 0)
		row[blockIdx.x] = (float)s;
}

// dup[k][i][l] = Σ sums[part][k][i][l] + scale[l]·second[k][i][l] + sum[i]·(shift[l] + scale[l]·bias[l]): second is Σ x·u without the bias, sum Σ x.
// Both are null where the statistics pass nothing on.
extern "C" __global__ void __launch_bounds__(256) up_grad_w(float *dup, const float *sums, int parts, const float *second, const float *sum, const double *passed, const float *bias,
		int ci, int co, int add) {
	i64 e = thread_index();
	if (e >= (i64)8 * ci * co)
		return;
	int l = e % co, i = e / co % ci;
	double v = 0;
#pragma unroll 4
	for (int k = 0; k < parts; k++)
		v += sums[(i64)k * 8 * ci * co + e];
	if (sum) {
		const Passed to = {passed, bias, co};
		v += passed[co + l] * second[e] + sum[i] * to.constant(l);
	}
	store(dup + e, (float)v, add);
}

// dbias[l] = α·dbeta + Σ over the fine voxels of shift[l] + scale[l]·u; coarse is how many voxels x has. sum as above.
extern "C" __global__ void __launch_bounds__(256) up_grad_b(float *dbias, const float *up, const float *sum, const double *passed, const float *bias, int ci, int co,
		i64 coarse, int add) {
	const Passed to = {passed, bias, co};
	const int l = blockIdx.x;
	double s = 0;
	if (sum)
		for (int e = threadIdx.x; e < 8 * ci; e += 256)
			s += (double)__ldg(up + (i64)e * co + l) * sum[e % ci];
	s = block_sum<256>(s);
	if (threadIdx.x > 0)
		return;
	double v = passed[2 * co + l];
	if (sum)
		v += 8. * coarse * to.constant(l) + passed[co + l] * s;
	store(dbias + l, (float)v, add);
}

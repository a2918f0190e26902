// A transposed 2³ convolution with stride 2, followed by a 3³ one, as one transposed 4³ convolution with stride 2 and padding 1: coarse
// voxel x reaches fine voxel 2x + k through up[k], which is 2x + q − 1 through tap t, q = k − t + 1 for t from −1 to 1:
//
//	w4[q] = Σ over k − t + 1 = q of up[k]·w[t]
//
// The products up[k]·w[t] are made by conv.cu, as rows (k, i) of columns (t, o). The gradients of up and w are those of a 3³ convolution without padding: of images of 4³
// voxels with co channels, the gradients of w4, that become images of 2³, which up is; there is one for each channel i of x, and both are turned round: 3 − q = (1 − k) + (t + 1).
//
// composite_weights, up_images, up_turned, up_grad_w: a thread, of 256, for each element of the result; no shared memory; bytes
// moved: 4 written per element and 4 read for each term. up_row, up_grad_b: a block for each element, which reads 4 bytes for each of
// up's weights that it meets; 64 bytes of shared memory. All of it is as small as weights are.
#include "common.cuh"

// w4[q][i][o] = Σ pair[k][i][t][o], of ci and co channels.
extern "C" __global__ void __launch_bounds__(256) composite_weights(float *w4, const float *pair, int ci, int co) {
	i64 e = thread_index();
	if (e >= (i64)64 * ci * co)
		return;
	int o = e % co, i = e / co % ci, q = e / co / ci;
	float s = 0.f;
#pragma unroll 1
	for (int k = 0; k < 8; k++) {
		int td = k / 4 + 2 - q / 16, th = k / 2 % 2 + 2 - q / 4 % 4, tw = k % 2 + 2 - q % 4;
		if ((u32)td < 3 && (u32)th < 3 && (u32)tw < 3)
			s += __ldg(pair + (((i64)k * ci + i) * 27 + td * 9 + th * 3 + tw) * co + o);
	}
	w4[e] = s;
}

// images[i][7 − k][l] = up[k][i][l].
extern "C" __global__ void __launch_bounds__(256) up_images(float *images, const float *up, int ci, int co) {
	i64 e = thread_index();
	if (e >= (i64)8 * ci * co)
		return;
	int l = e % co, k = 7 - e / co % 8, i = e / co / 8;
	images[e] = __ldg(up + ((i64)k * ci + i) * co + l);
}

// turned[k][l][i] = up[k][i][l], and scaled that times scale[l].
extern "C" __global__ void __launch_bounds__(256) up_turned(float *turned, float *scaled, const float *up, const float *scale, int ci, int co) {
	i64 e = thread_index();
	if (e >= (i64)8 * ci * co)
		return;
	int i = e % ci, l = e / ci % co, k = e / ci / co;
	float v = __ldg(up + ((i64)k * ci + i) * co + l);
	turned[e] = v;
	scaled[e] = v * scale[l];
}

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

// dup[k][i][l] = conv[i][7 − k][l] + scale[l]·second[i][k][l] + sum[i]·(shift[l] + scale[l]·bias[l]): second is Σ x·u without the bias, sum Σ x.
// Both are null where the statistics pass nothing on.
extern "C" __global__ void __launch_bounds__(256) up_grad_w(float *dup, const float *conv, const float *second, const float *sum, const double *passed, const float *bias,
		int ci, int co, int add) {
	i64 e = thread_index();
	if (e >= (i64)8 * ci * co)
		return;
	int l = e % co, i = e / co % ci, k = e / co / ci;
	double v = conv[((i64)i * 8 + 7 - k) * co + l];
	if (sum) {
		const Passed to = {passed, bias, co};
		v += passed[co + l] * second[((i64)i * 8 + k) * co + l] + sum[i] * to.constant(l);
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

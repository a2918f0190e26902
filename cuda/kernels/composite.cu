// A transposed 2³ convolution with stride 2, followed by a 3³ one, as one transposed 4³ convolution with stride 2 and padding 1: coarse
// voxel x reaches fine voxel 2x + k through up[k], which is 2x + q − 1 through tap t, q = k − t + 1 for t from −1 to 1:
//
//	w4[q] = Σ over k − t + 1 = q of up[k]·w[t]
//
// The gradients of up and w are those of a 3³ convolution without padding: of images of 4³
// voxels with co channels, the gradients of w4, that become images of 2³, which up is; there is one for each channel i of x, and both are turned round: 3 − q = (1 − k) + (t + 1).
//
// composite_weights: a block has a position q of w4, 48 of x's channels and 48 of the outputs, and adds the products up[k]·w[t] that meet there, up to eight, in the
// order of k, by tiles of gemm.cuh; 6.2 KiB of shared memory; bytes moved: of up and w, from L2 but for the first
// time, what the products of each tile need, and w4 once. up_images, up_turned, up_grad_w: a thread, of 256, for each element of the result; no shared memory; bytes
// moved: 4 written per element and 4 read for each term. up_row, up_grad_b: a block for each element, which reads 4 bytes for each of
// up's weights that it meets; 64 bytes of shared memory. All of it is as small as weights are.
#include "gemm.cuh"

typedef Tile<48, 48, 4, 6> Composite;

// The sums of a block; FOURS: cu and co are multiples of four.
template <bool FOURS>
__device__ __forceinline__ void composite(Composite &s, float *w4, const float *up, const float *w, const float *gamma, const float *invstd, int ci, int cu, int all, int from, int co) {
	typedef Composite T;
	const int i0 = blockIdx.x * T::BM, o0 = blockIdx.y * T::BN;
	auto along = [](int axis) { // of q
		int light = blockIdx.z >> (3 + axis) & 1, side = blockIdx.z >> axis & 1;
		return light ? 3 * side : 1 + side;
	};
	const int qd = along(2), qh = along(1), qw = along(0);
	auto tapOf = [&](int k) { // that meets k, negative if none does
		int td = k / 4 + 2 - qd, th = k / 2 % 2 + 2 - qh, tw = k % 2 + 2 - qw;
		return (u32)td < 3 && (u32)th < 3 && (u32)tw < 3 ? td * 9 + th * 3 + tw : -1;
	};
	u32 meet = 0; // the positions k that do
#pragma unroll
	for (int j = 0; j < 8; j++)
		meet |= (tapOf(j) >= 0) << j;
	// A thread loads four channels l of a channel i, and of a channel l four outputs.
	const int half = threadIdx.x & 1, row = threadIdx.x >> 1, brow = threadIdx.x / (T::BN / 4), bcol = threadIdx.x % (T::BN / 4) * 4;
	const int i = i0 + row, o = o0 + bcol, stages = __popc(meet) * ((cu + STAGE - 1) / STAGE);
	float acc[T::TM][T::TN] = {}, av[4], bv[4];
	int k = 0, tap = 0, l0 = cu; // of the stage to load next
	auto four = [&](float (&v)[4], const float *p, int n, bool ok) { // n are there
		if (FOURS) {
			float4 f = load4_if(p, ok && n > 0);
			v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
		} else {
#pragma unroll
			for (int j = 0; j < 4; j++)
				v[j] = load_if(p + j, ok && j < n);
		}
	};
	auto load = [&]() {
		if (l0 >= cu)
			k = __ffs(meet) - 1, meet &= meet - 1, tap = tapOf(k), l0 = 0;
		const int l = l0 + half * 4, r = l0 + brow;
		four(av, up + ((i64)k * ci + i) * cu + l, cu - l, i < ci);
		four(bv, w + ((i64)tap * all + from + r) * co + o, co - o, r < cu);
		const float a = load_if(gamma + from + r, r < cu) * load_if(invstd + from + r, r < cu);
#pragma unroll
		for (int j = 0; j < 4; j++)
			bv[j] *= a;
		l0 += STAGE;
	};
	auto keep = [&](int buf) {
#pragma unroll
		for (int j = 0; j < 4; j++)
			s.a[buf][half * 4 + j][row] = av[j];
		*(float4 *)&s.b[buf][brow][bcol] = make_float4(bv[0], bv[1], bv[2], bv[3]);
	};
	load();
	keep(0);
	__syncthreads();
	for (int n = 0; n < stages; n++) {
		if (n + 1 < stages)
			load();
		s.multiply(acc, n & 1);
		if (n + 1 < stages)
			keep(~n & 1);
		__syncthreads();
	}
	float *y = w4 + (i64)((qd * 4 + qh) * 4 + qw) * ci * co;
	epilogue<T>(acc, o0, co, 0, [&](int r) { return i0 + r < ci ? y + (i64)(i0 + r) * co : nullptr; }, [](float v, int, int) { return v; });
}

// w4[q][i][o] = Σ over k and t of q, channels l of up[k][i][l]·α[from + l]·w[t][from + l][o], α = gamma·invstd; w has all channels. Positions that most products meet come first.
extern "C" __global__ void __launch_bounds__(Composite::THREADS) composite_weights(float *w4, const float *up, const float *w, const float *gamma, const float *invstd, int ci,
		int cu, int all, int from, int co) {
	__shared__ Composite s;
	if (cu % 4 == 0 && co % 4 == 0)
		composite<true>(s, w4, up, w, gamma, invstd, ci, cu, all, from, co);
	else
		composite<false>(s, w4, up, w, gamma, invstd, ci, cu, all, from, co);
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

// Batch normalisation. x is a matrix, rows of c channels (columns.cuh has the work
// split); v4 kernels handle four channels a thread and need c divisible by 4.
//
// batchnorm_stats: up to 1024 blocks, each with its share of the rows. A thread adds four
// rows in fp32, of values from which the block's first one was subtracted, and these
// sums in double; a tree over the block and one pair of doubles per channel and
// block follow. 4 bytes read per element; shared memory 4 KiB (v1) or 16 KiB (v4).
// batchnorm_stats_finish, batchnorm_squares_finish: a block per channel adds the pairs, 16 bytes read each; 64 bytes of shared memory.
// batchnorm_apply: 8 rows a thread; 8 bytes moved per element, no shared memory.
// batchnorm_invstd: a thread per channel, 8 bytes moved, no shared memory.
#include "columns.cuh"

static __device__ __forceinline__ double inverse_deviation(double variance, double eps) {
	return 1.0 / sqrt(variance + eps);
}

// part[channel][block]: the block's mean; behind all of them, its sum of squared
// deviations from that mean.
template <int V>
static __device__ __forceinline__ void batchnorm_stats(double *part, const real *x, i64 all, int per, int c, int tx, int ty) {
	Columns<V> my(all, per, c, tx, ty);
	double sum[2 * V] = {};
	vec<V> shift = zero<V>();
	if (my.active) {
		shift = load<V>(x + (i64)blockIdx.x * per * c + my.channel);
		const real *p = x + my.at;
#pragma unroll 1
		for (int r = my.line; r < my.rows; r += 4 * ty, p += 4 * my.step) {
			vec<V> v[4];
			float s[V] = {}, q[V] = {};
#pragma unroll
			for (int k = 0; k < 4; k++)
				v[k] = r + k * ty < my.rows ? load<V>(p + k * my.step) : shift;
#pragma unroll
			for (int k = 0; k < 4; k++)
#pragma unroll
				for (int j = 0; j < V; j++) {
					float d = v[k].v[j] - shift.v[j];
					s[j] += d;
					q[j] = fmaf(d, d, q[j]);
				}
#pragma unroll
			for (int j = 0; j < V; j++)
				sum[j] += s[j], sum[V + j] += q[j];
		}
	}
	line_sums(sum, my.line, tx, ty);
	if (!my.active || my.line > 0)
		return;
#pragma unroll
	for (int j = 0; j < V; j++) {
		i64 to = (i64)(my.channel + j) * gridDim.x + blockIdx.x;
		double d = sum[j] / my.rows;
		part[to] = shift.v[j] + d;
		part[to + (i64)c * gridDim.x] = sum[V + j] - sum[j] * d;
	}
}

BOTH_WIDTHS(batchnorm_stats, (double *part, const real *x, i64 all, int per, int c, int tx, int ty), (part, x, all, per, c, tx, ty))

#ifndef BF16
// update moves running statistics, which may be null, towards those of all rows.
static __device__ __forceinline__ void update(float *run_mean, float *run_var, int c, double mu, double variance, i64 all, double momentum) {
	if (!run_mean)
		return;
	double unbiased = all > 1 ? variance * ((double)all / (double)(all - 1)) : variance;
	run_mean[c] = (float)((1 - momentum) * run_mean[c] + momentum * mu);
	run_var[c] = (float)((1 - momentum) * run_var[c] + momentum * unbiased);
}

// run_mean and run_var may be null. The parts are those of parts/chunk tensors of so many rows, one behind the other, per rows a part and what is
// left in the last one; if per is 0, how many rows each has is behind the squares.
extern "C" __global__ void __launch_bounds__(256)
	batchnorm_stats_finish(float *mean, float *invstd, float *run_mean, float *run_var, const double *part, int parts, i64 rows, int per, int chunk, double eps, double momentum) {
	int c = blockIdx.x;
	i64 all = rows * (parts / chunk);
	const double *m = part + (i64)c * parts, *squares = m + (i64)gridDim.x * parts;
	double origin = m[0], s = 0, q = 0;
#pragma unroll 1
	for (int i = threadIdx.x; i < parts; i += 256) {
		double n = per ? (double)min((i64)per, rows - (i64)(i % chunk) * per) : part[2 * (i64)gridDim.x * parts + i], d = m[i] - origin;
		s += n * d;
		q += squares[i] + n * d * d;
	}
	s = block_sum<256>(s);
	q = block_sum<256>(q);
	if (threadIdx.x > 0)
		return;
	double d = s / all, mu = origin + d, variance = q / all - d * d;
	if (variance < 0) // rounding; a NaN stays
		variance = 0;
	mean[c] = (float)mu;
	invstd[c] = (float)inverse_deviation(variance, eps);
	update(run_mean, run_var, c, mu, variance, all, momentum);
}

// The statistics of Ux, of all rows, whose mean is that of x, from the parts of batchnorm_grad_sums for q = UᵀU(x − mean) and x: Σq, which is
// Σ(Ux − mean), and behind it Σq·(x − mean), which is Σ(Ux − mean)².
extern "C" __global__ void __launch_bounds__(256)
	batchnorm_squares_finish(const float *mean, float *invstd, float *run_mean, float *run_var, const double *part, int parts, i64 all, double eps, double momentum) {
	int c = blockIdx.x;
	double s = 0, q = 0;
#pragma unroll 1
	for (int i = threadIdx.x; i < parts; i += 256) {
		s += part[(i64)c * parts + i];
		q += part[(i64)(gridDim.x + c) * parts + i];
	}
	s = block_sum<256>(s);
	q = block_sum<256>(q);
	if (threadIdx.x > 0)
		return;
	double d = s / all, variance = q / all - d * d;
	if (variance < 0) // rounding; a NaN stays
		variance = 0;
	invstd[c] = (float)inverse_deviation(variance, eps);
	update(run_mean, run_var, c, mean[c] + d, variance, all, momentum);
}

extern "C" __global__ void __launch_bounds__(256) batchnorm_invstd(float *invstd, const float *variance, int c, double eps) {
	int i = blockIdx.x * 256 + threadIdx.x;
	if (i < c)
		invstd[i] = (float)inverse_deviation(variance[i], eps);
}
#endif

// y = (x - mean)*(invstd*gamma) + beta. y may be x.
template <int V>
static __device__ __forceinline__ void batchnorm_apply(real *y, const real *x, const float *gamma, const float *beta, const float *mean, const float *invstd, i64 all, int per,
												  int c, int tx, int ty) {
	Columns<V> my(all, per, c, tx, ty);
	if (!my.active)
		return;
	vec<V> scale = load<V>(invstd + my.channel), g = load<V>(gamma + my.channel), m = load<V>(mean + my.channel), b = load<V>(beta + my.channel);
#pragma unroll
	for (int j = 0; j < V; j++)
		scale.v[j] *= g.v[j];
	i64 at = my.at;
#pragma unroll 1
	for (int r = my.line; r < my.rows; r += 4 * ty, at += 4 * my.step) {
		vec<V> v[4];
#pragma unroll
		for (int k = 0; k < 4; k++)
			if (r + k * ty < my.rows)
				v[k] = load<V>(x + at + k * my.step);
#pragma unroll
		for (int k = 0; k < 4; k++)
			if (r + k * ty < my.rows) {
#pragma unroll
				for (int j = 0; j < V; j++)
					v[k].v[j] = fmaf(v[k].v[j] - m.v[j], scale.v[j], b.v[j]);
				store(y + at + k * my.step, v[k]);
			}
	}
}

BOTH_WIDTHS(batchnorm_apply,
			(real *y, const real *x, const float *gamma, const float *beta, const float *mean, const float *invstd, i64 all, int per, int c, int tx, int ty),
			(y, x, gamma, beta, mean, invstd, all, per, c, tx, ty))

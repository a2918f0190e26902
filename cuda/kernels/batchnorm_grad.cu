// Backward of batch normalisation: with the factors k of a channel
//
//	dx = k0*dy - k1*(x - mean) - k2
//
// batchnorm_grad_sums: as batchnorm_stats in batchnorm.cu, 8 bytes read per element; shared memory
// 4 KiB (v1) or 16 KiB (v4). batchnorm_grad_finish: a block per channel adds the pairs and
// makes the factors; 64 bytes of shared memory. batchnorm_grad_apply: 8 rows a thread, 12
// (Set) or 16 (Add) bytes moved per element, no shared memory.
#include "columns.cuh"

// part[channel][block]: sum of dy; behind all of them, sum of dy*(x - mean).
template <int V>
static __device__ __forceinline__ void batchnorm_grad_sums(double *part, const real *dy, const real *x, const float *mean, i64 all, int per, int c, int tx, int ty) {
	Columns<V> my(all, per, c, tx, ty);
	double sum[2 * V] = {};
	if (my.active) {
		vec<V> m = load<V>(mean + my.channel);
		i64 at = my.at;
#pragma unroll 1
		for (int r = my.line; r < my.rows; r += 4 * ty, at += 4 * my.step) {
			vec<V> g[4], v[4];
			float s[V] = {}, q[V] = {};
#pragma unroll
			for (int k = 0; k < 4; k++) {
				bool in = r + k * ty < my.rows;
				g[k] = in ? load<V>(dy + at + k * my.step) : zero<V>();
				v[k] = in ? load<V>(x + at + k * my.step) : m;
			}
#pragma unroll
			for (int k = 0; k < 4; k++)
#pragma unroll
				for (int j = 0; j < V; j++) {
					s[j] += g[k].v[j];
					q[j] = fmaf(g[k].v[j], v[k].v[j] - m.v[j], q[j]);
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
		part[to] = sum[j];
		part[to + (i64)c * gridDim.x] = sum[V + j];
	}
}

BOTH_WIDTHS(batchnorm_grad_sums, (double *part, const real *dy, const real *x, const float *mean, i64 all, int per, int c, int tx, int ty),
			(part, dy, x, mean, all, per, c, tx, ty))

#ifndef BF16
// dgamma and dbeta, null where not wanted, and the factors of dx, one vector behind
// the other. Without parts the sums are 0.
extern "C" __global__ void __launch_bounds__(256)
	batchnorm_grad_finish(float *dgamma, int add_gamma, float *dbeta, int add_beta, float *factors, const double *part, int parts, const float *gamma, const float *invstd, i64 all,
					 int fixed) {
	int c = blockIdx.x, channels = gridDim.x;
	double s = 0, q = 0;
#pragma unroll 1
	for (int i = threadIdx.x; i < parts; i += 256) {
		s += part[(i64)c * parts + i];
		q += part[(i64)(channels + c) * parts + i];
	}
	s = block_sum<256>(s);
	q = block_sum<256>(q);
	if (threadIdx.x > 0)
		return;
	double is = invstd[c], k = gamma[c] * is;
	if (dgamma)
		store(dgamma + c, (float)(q * is), add_gamma);
	if (dbeta)
		store(dbeta + c, (float)s, add_beta);
	factors[c] = (float)k;
	factors[channels + c] = fixed ? 0.f : (float)(k * is * is * q / all);
	factors[2 * channels + c] = fixed ? 0.f : (float)(k * s / all);
}
#endif

// dx may be dy.
template <int V>
static __device__ __forceinline__ void batchnorm_grad_apply(real *dx, const real *dy, const real *x, const float *mean, const float *factors, i64 all, int per, int c, int tx,
													   int ty, int add) {
	Columns<V> my(all, per, c, tx, ty);
	if (!my.active)
		return;
	const float *f = factors + my.channel;
	vec<V> m = load<V>(mean + my.channel), k0 = load<V>(f), k1 = load<V>(f + c), k2 = load<V>(f + 2 * (i64)c);
	i64 at = my.at;
#pragma unroll 1
	for (int r = my.line; r < my.rows; r += 4 * ty, at += 4 * my.step) {
		vec<V> g[4], v[4];
#pragma unroll
		for (int k = 0; k < 4; k++)
			if (r + k * ty < my.rows)
				g[k] = load<V>(dy + at + k * my.step), v[k] = load<V>(x + at + k * my.step);
#pragma unroll
		for (int k = 0; k < 4; k++)
			if (r + k * ty < my.rows) {
#pragma unroll
				for (int j = 0; j < V; j++)
					g[k].v[j] = k0.v[j] * g[k].v[j] - k1.v[j] * (v[k].v[j] - m.v[j]) - k2.v[j];
				store(dx + at + k * my.step, g[k], add);
			}
	}
}

BOTH_WIDTHS(batchnorm_grad_apply,
			(real *dx, const real *dy, const real *x, const float *mean, const float *factors, i64 all, int per, int c, int tx, int ty, int add),
			(dx, dy, x, mean, factors, all, per, c, tx, ty, add))

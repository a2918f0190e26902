// The batch normalisation that is folded into CatConv's convolution: with α = gamma·invstd and β = beta − mean·α
//
//	y[v,o] = bias[o] + Σ over taps t with v + t inside, channels c of w[t,c,o]·(α[c]·z[v+t,c] + β[c])
//
// What does not depend on z is a table with a row for each presence of a voxel's neighbours. The gradients follow, for
// the channels of one source, from r[t,c,o] = Σ z[v+t,c]·dy[v,o] and s[t,o] = Σ dy[v,o] over the voxels whose tap
// lies inside:
//
//	dw = α·r + β·s,   dbeta = Σ w·s,   dgamma = invstd·(Σ w·r − mean·Σ w·s)
//
// catconv_taps: a block of 8 lines of 32 threads for 32 output channels of a tap, the lines share the channels; 2 KiB of shared
// memory; weights are read once, 4 bytes each. catconv_table: a thread for each of 64 rows and output channel, no shared memory; 8 bytes for
// each tap and source, all but the first from a cache. catconv_affine: a block per channel, 8 bytes a weight;
// 64 bytes of shared memory. catconv_grad_w: a thread per weight, no shared memory; 8 bytes moved, 12 for Add.
#include "common.cuh"

// taps[t][o] = Σ over n channels c of w[t, from + c, o]·(β + α·up[c]). up, the bias of a transposed convolution, may be null.
extern "C" __global__ void __launch_bounds__(256) catconv_taps(double *taps, const float *w, const float *gamma, const float *beta, const float *mean,
		const float *invstd, const float *up, int all, int from, int n, int cout) {
	__shared__ double part[8][32];
	const int lane = threadIdx.x % 32, line = threadIdx.x / 32, o = blockIdx.x * 32 + lane, t = blockIdx.y;
	double s = 0;
	if (o < cout) {
#pragma unroll 4
		for (int c = line; c < n; c += 8) {
			double a = (double)gamma[from + c] * invstd[from + c], k = beta[from + c] - mean[from + c] * a;
			if (up)
				k += a * up[c];
			s += k * __ldg(w + ((i64)t * all + from + c) * cout + o);
		}
	}
	part[line][lane] = s;
	__syncthreads();
	if (line > 0 || o >= cout)
		return;
	for (int l = 1; l < 8; l++)
		s += part[l][lane];
	taps[t * cout + o] = s;
}

// table[p][o] = bias[o] + Σ over sources and the taps that p says are there. bias may be null.
extern "C" __global__ void __launch_bounds__(256) catconv_table(float *table, const double *taps, const float *bias, int sources, int cout) {
	int e = thread_index(), o = e % cout, p = e / cout;
	if (p >= 64)
		return;
	double s = bias ? bias[o] : 0.f;
	for (int k = 0; k < sources; k++)
#pragma unroll 3
		for (int t = 0; t < 27; t++) {
			// Along an axis tap 0 needs bit 0, tap 2 bit 1.
			int needs = (0x201 >> (t / 9 * 4) & 3) << 4 | (0x201 >> (t / 3 % 3 * 4) & 3) << 2 | (0x201 >> (t % 3 * 4) & 3);
			if ((p & needs) == needs)
				s += taps[((i64)k * 27 + t) * cout + o];
		}
	table[e] = (float)s;
}

// Sums are the r of a source, at t·rt + c·rc + o, and the s; up as above.
struct Sums {
	const float *r, *up;
	const double *s;
	i64 rt, rc;
	int cout;
	__device__ __forceinline__ double z(int t, int c, int o) const {
		return r[t * rt + c * rc + o] + (up ? up[c] * s[t * cout + o] : 0.);
	}
};

// dgamma and dbeta, and what the statistics of all rows pass on to each channel of z: shift[c] + scale[c]·z. passed is, in
// double, shift, scale and α·dbeta. r may be null if nothing asks for it.
extern "C" __global__ void __launch_bounds__(256) catconv_affine(float *dgamma, int add_gamma, float *dbeta, int add_beta, float *shift, float *scale,
		double *passed, const float *r, const double *s, const float *up, const float *w, const float *gamma, const float *mean, const float *invstd,
		i64 rt, i64 rc, int all, int from, int cout, double rows, int fixed) {
	const Sums sums = {r, up, s, rt, rc, cout};
	const int c = blockIdx.x, at = from + c, n = gridDim.x;
	double ds = 0, dr = 0;
#pragma unroll 2
	for (int k = threadIdx.x; k < 27 * cout; k += 256) {
		int t = k / cout, o = k % cout;
		double v = w[((i64)t * all + at) * cout + o];
		ds += v * s[k];
		if (r)
			dr += v * sums.z(t, c, o);
	}
	ds = block_sum<256>(ds);
	dr = block_sum<256>(dr);
	if (threadIdx.x > 0)
		return;
	double is = invstd[at], a = gamma[at] * is, dg = is * (dr - mean[at] * ds);
	if (dgamma)
		store(dgamma + at, (float)dg, add_gamma);
	if (dbeta)
		store(dbeta + at, (float)ds, add_beta);
	double m = fixed ? 0 : -a * is * dg / rows, b = fixed ? 0 : -a * ds / rows - m * mean[at];
	shift[c] = (float)b;
	scale[c] = (float)m;
	passed[c] = b;
	passed[n + c] = m;
	passed[2 * n + c] = a * ds;
}

// n channels of a source.
extern "C" __global__ void __launch_bounds__(256) catconv_grad_w(float *dw, const float *r, const double *s, const float *up, const float *gamma, const float *beta,
		const float *mean, const float *invstd, i64 rt, i64 rc, int all, int from, int n, int cout, int add) {
	const Sums sums = {r, up, s, rt, rc, cout};
	i64 e = thread_index();
	int o = e % cout, c = e / cout % n, t = e / cout / n, at = from + c;
	if (t >= 27)
		return;
	double a = (double)gamma[at] * invstd[at], b = beta[at] - mean[at] * a;
	store(dw + ((i64)t * all + at) * cout + o, (float)(a * sums.z(t, c, o) + b * s[t * cout + o]), add);
}

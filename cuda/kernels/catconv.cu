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
// each tap and source, all but the first from a cache. catconv_grads: a block of 512 threads per channel; 128 bytes of shared memory; 8 bytes moved a weight, 12 for Add,
// and 4 for each part of r, which may be those that products of shares left behind.
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

// The gradients of weights, gamma and beta of a source's n = gridDim.x channels, each of which may be null, and what the statistics of all rows pass on to each
// channel of z: shift[c] + scale[c]·z. passed is, in double, shift, scale and α·dbeta. r, parts of n·27·cout sums, is at t·rt + c·rc + o and is null if
// nothing asks for it; it is without up, as above.
extern "C" __global__ void __launch_bounds__(512) catconv_grads(float *dw, int add_w, float *dgamma, int add_gamma, float *dbeta, int add_beta, float *shift, float *scale,
		double *passed, const float *r, const double *s, const float *up, const float *w, const float *gamma, const float *beta, const float *mean, const float *invstd,
		i64 rt, i64 rc, int parts, int all, int from, int cout, double rows, int fixed) {
	const int c = blockIdx.x, at = from + c, n = gridDim.x;
	const double is = invstd[at], a = gamma[at] * is, constant = beta[at] - mean[at] * a, u = up ? up[c] : 0.;
	const i64 part = (i64)n * 27 * cout;
	double ds = 0, dr = 0;
#pragma unroll 2
	for (int k = threadIdx.x; k < 27 * cout; k += 512) {
		const int t = k / cout, o = k % cout;
		const i64 weight = ((i64)t * all + at) * cout + o;
		const double v = w[weight], sum = s[k];
		ds += v * sum;
		if (!r)
			continue;
		const float *p = r + t * rt + c * rc + o;
		float z = 0.f;
#pragma unroll 8
		for (int i = 0; i < parts; i++)
			z += __ldg(p + i * part);
		const double whole = z + u * sum;
		dr += v * whole;
		if (dw)
			store(dw + weight, (float)(a * whole + constant * sum), add_w);
	}
	ds = block_sum<512>(ds);
	dr = block_sum<512>(dr);
	if (threadIdx.x > 0)
		return;
	const double dg = is * (dr - mean[at] * ds);
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

// Softmax, soft Dice with cross-entropy, and the mean squared error.
//
// softmax: a thread per row, which reads its row three times, all but the first time from a cache; 8 bytes
// moved per element. No shared memory.
// dice_sums: up to 1024 blocks, each with its share of the rows, 256 at a time. First
// a thread per row finds the row's maximum and sum, then a thread per channel and
// line (columns.cuh) adds p*g, p, g and the cross-entropy, of one such tile in fp32,
// of all in double; a tree over the block and four doubles per channel and block
// follow. 8 bytes read per element (x a second time from a cache), 4 written where
// the probabilities are wanted. 11 KiB of shared memory.
// dice_finish: one block; a warp per sum adds the blocks', 8 bytes read each. No shared memory.
// mse_sums, mse_finish: each of at most 1024 blocks adds a grid-stride share, one block adds
// theirs; 8 bytes read per element. 64 bytes of shared memory.
#include "columns.cuh"

// p may be x.
extern "C" __global__ void __launch_bounds__(256) softmax(float *p, const float *x, i64 rows, int c) {
	i64 row = thread_index();
	if (row >= rows)
		return;
	p += row * c, x += row * c;
	float top = x[0], sum = 0.f;
	for (int i = 1; i < c; i++)
		top = fmaxf(top, x[i]);
	for (int i = 0; i < c; i++)
		sum += expf(x[i] - top);
	float k = 1.f / sum;
	for (int i = 0; i < c; i++)
		p[i] = expf(x[i] - top) * k;
}

// part[sum][channel][block]. prob may be null.
extern "C" __global__ void __launch_bounds__(256)
	dice_sums(double *part, float *prob, const float *x, const float *g, i64 all, int per, int c, int tx, int ty) {
	__shared__ float top[256], inverse[256], logarithm[256];
	Columns<1> my(all, per, c, tx, ty);
	i64 first = (i64)blockIdx.x * per;
	double sum[4] = {};
	for (int tile = 0; tile < my.rows; tile += 256) {
		__syncthreads();
		int t = threadIdx.x;
		if (tile + t < my.rows) {
			const float *v = x + (first + tile + t) * c;
			float m = v[0], s = 0.f;
			for (int i = 1; i < c; i++)
				m = fmaxf(m, v[i]);
			for (int i = 0; i < c; i++)
				s += expf(v[i] - m);
			top[t] = m, inverse[t] = 1.f / s, logarithm[t] = logf(s);
		}
		__syncthreads();
		if (!my.active)
			continue;
		float s[4] = {};
		int end = min(256, my.rows - tile);
#pragma unroll 1
		for (int r = my.line; r < end; r += ty) {
			i64 at = (first + tile + r) * c + my.channel;
			float d = x[at] - top[r], p = expf(d) * inverse[r], want = g[at];
			if (prob)
				prob[at] = p;
			s[0] = fmaf(p, want, s[0]);
			s[1] += p;
			s[2] += want;
			s[3] = fmaf(want, logarithm[r] - d, s[3]);
		}
		for (int k = 0; k < 4; k++)
			sum[k] += s[k];
	}
	line_sums(sum, my.line, tx, ty);
	if (!my.active || my.line > 0)
		return;
	for (int k = 0; k < 4; k++)
		part[((i64)k * c + my.channel) * gridDim.x + blockIdx.x] = sum[k];
}

// share is a channel's weight in the mean over channels.
static __device__ __forceinline__ double share(int i, int c, int foreground) { return foreground ? (i == c - 1 ? 1.0 : 0.0) : 1.0 / c; }

// total holds 4c doubles.
extern "C" __global__ void __launch_bounds__(256)
	dice_finish(float *loss, float *sums, double *total, const double *part, int parts, i64 rows, int c, double eps, double entropy, int foreground) {
	int lane = threadIdx.x & 31;
	for (int k = threadIdx.x >> 5; k < 4 * c; k += 8) {
		double s = 0;
#pragma unroll 1
		for (int i = lane; i < parts; i += 32)
			s += part[(i64)k * parts + i];
		s = warp_sum(s);
		if (lane == 0)
			total[k] = s;
	}
	__syncthreads();
	for (int i = threadIdx.x; i < 3 * c; i += 256)
		sums[i] = (float)total[i];
	if (threadIdx.x > 0)
		return;
	double l = 1, ce = 0;
#pragma unroll 1
	for (int i = 0; i < c; i++) {
		l -= share(i, c, foreground) * (2 * total[i] + eps) / (total[c + i] + total[2 * c + i] + eps);
		ce += total[3 * c + i];
	}
	*loss = (float)(entropy != 0 ? l + entropy * ce / rows : l);
}

extern "C" __global__ void __launch_bounds__(256) mse_sums(double *part, const float *x, const float *g, i64 n) {
	double sum = 0;
#pragma unroll 1
	for (i64 i = 4 * thread_index(); i < n; i += 4 * thread_count()) {
		float s = 0.f;
		if (i + 4 <= n) {
			float4 a = *(const float4 *)(x + i), b = *(const float4 *)(g + i);
			float dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z, dw = a.w - b.w;
			s = dx * dx + dy * dy + dz * dz + dw * dw;
		} else {
#pragma unroll 1
			for (i64 j = i; j < n; j++)
				s = fmaf(x[j] - g[j], x[j] - g[j], s);
		}
		sum += s;
	}
	sum = block_sum<256>(sum);
	if (threadIdx.x == 0)
		part[blockIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(256) mse_finish(float *loss, const double *part, int parts, i64 n) {
	double sum = 0;
#pragma unroll 1
	for (int i = threadIdx.x; i < parts; i += 256)
		sum += part[i];
	sum = block_sum<256>(sum);
	if (threadIdx.x == 0)
		*loss = (float)(sum / n);
}

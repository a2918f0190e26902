// Backward of soft Dice with cross-entropy and of the mean squared error.
//
// dice_factors: a thread per channel, 20 bytes moved. dice_grad: a thread per row, which reads its row
// of x three times and of g twice, all but the first time from a cache. mse_grad: a
// thread per four elements, 16-byte accesses, the last ones singly. 12 (Set) or 16
// (Add) bytes moved per element. No shared memory.
#include "common.cuh"

// dloss * d(loss)/dp = factors[i] + factors[c+i]*g; factors[2c] is the cross-entropy's.
extern "C" __global__ void __launch_bounds__(256)
	dice_factors(float *factors, const float *dloss, const float *sums, i64 rows, int c, double eps, double entropy, int foreground) {
	int i = blockIdx.x * 256 + threadIdx.x;
	if (i == 0)
		factors[2 * c] = (float)(*dloss * entropy / rows);
	if (i >= c)
		return;
	double share = foreground ? (i == c - 1 ? 1.0 : 0.0) : 1.0 / c;
	double numerator = 2.0 * sums[i] + eps, denominator = (double)sums[c + i] + sums[2 * c + i] + eps, w = share * *dloss;
	factors[i] = (float)(w * numerator / (denominator * denominator));
	factors[c + i] = (float)(-2 * w / denominator);
}

// dx = p*(dp - sum of p*dp) + k*(p*(sum of g) - g), p the softmax of x.
extern "C" __global__ void __launch_bounds__(256) dice_grad(float *dx, const float *x, const float *g, const float *factors, i64 rows, int c, int add) {
	i64 row = thread_index();
	if (row >= rows)
		return;
	dx += row * c, x += row * c, g += row * c;
	float top = x[0], sum = 0.f, mean = 0.f, targets = 0.f;
	for (int i = 1; i < c; i++)
		top = fmaxf(top, x[i]);
	for (int i = 0; i < c; i++) {
		float e = expf(x[i] - top), want = g[i];
		sum += e;
		mean = fmaf(e, fmaf(factors[c + i], want, factors[i]), mean);
		targets += want;
	}
	float inverse = 1.f / sum, k = factors[2 * c];
	mean *= inverse;
	for (int i = 0; i < c; i++) {
		float p = expf(x[i] - top) * inverse, want = g[i];
		float dp = fmaf(factors[c + i], want, factors[i]);
		store(dx + i, p * (dp - mean) + k * (p * targets - want), add);
	}
}

// dx = k*(x - g) with k = 2*dloss/n
extern "C" __global__ void __launch_bounds__(256) mse_grad(float *dx, const float *dloss, const float *x, const float *g, i64 n, int add) {
	i64 i = 4 * thread_index();
	float k = (float)(2.0 * *dloss / n);
	if (i + 4 <= n) {
		float4 a = *(const float4 *)(x + i), b = *(const float4 *)(g + i);
		float4 r = make_float4(k * (a.x - b.x), k * (a.y - b.y), k * (a.z - b.z), k * (a.w - b.w));
		if (add) {
			float4 o = *(const float4 *)(dx + i);
			r.x += o.x, r.y += o.y, r.z += o.z, r.w += o.w;
		}
		*(float4 *)(dx + i) = r;
		return;
	}
#pragma unroll 1
	for (; i < n; i++)
		store(dx + i, k * (x[i] - g[i]), add);
}

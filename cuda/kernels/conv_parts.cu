// The last step of a convolution whose sum was split: y = act(Σ parts + what was there + bias + zscale·z), or 0 where a mask
// is not positive.
//
// Work: conv_parts has a thread, of 256, for each element of y, which adds its parts in order. No shared memory.
// Bytes moved: 4 for each part and 4 written per element, 4 more for Add, with z
// and with a mask each.
#include "common.cuh"

// d, h, w: the grid of y, for the rows of a table.
extern "C" __global__ void __launch_bounds__(256) conv_parts(float *y, const float *part, int parts, i64 n, int c, int d, int h, int w,
		const float *bias, int table, const float *z, const float *zscale, const float *mask, int relu, int add) {
	i64 e = thread_index();
	if (e >= n)
		return;
	float v = 0.f;
#pragma unroll 4
	for (int k = 0; k < parts; k++)
		v += __ldg(part + k * n + e);
	int ch = e % c;
	if (add)
		v += y[e];
	if (bias) {
		int row = 0;
		if (table) {
			u32 at = e / c;
			row = presence(at / w / h % d, d) << 4 | presence(at / w % h, h) << 2 | presence(at % w, w);
		}
		v += bias[row * c + ch];
	}
	if (z)
		v = fmaf(zscale[ch], z[e], v);
	if (mask && !(mask[e] > 0.f))
		v = 0.f;
	y[e] = relu && v < 0.f ? 0.f : v; // NaN stays
}

// What a product of conv_mma.cu takes, and the moments of its sums, which it leaves where they are wanted in their place.
#pragma once
#include "mma.cuh"

struct Product {
	void *y;
	const char *x, *w;
	const float *bias;
	int batch, di, hi, wi, voxelBytes;      // x, rounded
	int dout, ho, wo, co;                   // y
	int k, stride, pad, scatters;           // window
	int lw, lh;                             // log2 of the box's extent along w and h
	int shares, share;                      // of the sum, in units of a chunk of a phase and a plane of its window
	int relu, add, part, half, table;       // part: y has a place for each share; half, table: see Last
	const void *z;                          // see there
	const float *zscale;
	const void *mask;
	double *moments;                        // instead of y: see there; may be null
};

// moments: of the box's voxels that are there and each of the columns in shared memory, the mean, and behind all means the sums of squared deviations
// from it, as batchnorm_stats has them: [channel][part], a part each of gridDim.x·gridDim.z; and behind these how many
// voxels a part has.
template <int COLS, int THREADS, int OUT, typename Voxel>
__device__ __forceinline__ void moments(const Product &p, float *sums, int c0, Grid there, Voxel voxel) {
	constexpr int LINES = THREADS / COLS;
	float *scratch = sums + 256 * OUT;
	const int line = threadIdx.x / COLS, col = threadIdx.x % COLS, c = c0 + col;
	const int n = max(there.d, 0) * max(there.h, 0) * max(there.w, 0); // the class may end before the box
	float mean = sums[col];
#pragma unroll 1
	for (int pass = 0; pass < 2; pass++) {
		float s = 0.f, q = 0.f;
		if (line < LINES)
#pragma unroll 4
			for (int row = line; row < 256; row += LINES) {
				const Grid v = voxel(row);
				const float d = v.d < there.d && v.h < there.h && v.w < there.w ? sums[row * OUT + col] - mean : 0.f;
				s += d, q = fmaf(d, d, q);
			}
		scratch[threadIdx.x] = s, scratch[THREADS + threadIdx.x] = q;
		__syncthreads();
		double all = 0, squares = 0;
		for (int l = 0; l < LINES; l++)
			all += scratch[l * COLS + col], squares += scratch[THREADS + l * COLS + col];
		__syncthreads();
		if (pass == 0) {
			mean += (float)(all / n);
			continue;
		}
		if (line > 0 || c >= p.co)
			continue;
		const i64 parts = (i64)gridDim.x * gridDim.z, part = (i64)blockIdx.z * gridDim.x + blockIdx.x;
		p.moments[c * parts + part] = n ? mean + all / n + (p.bias ? p.bias[c] : 0.f) : 0;
		p.moments[(p.co + c) * parts + part] = n ? squares - all * all / n : 0;
		if (c == 0)
			p.moments[2 * p.co * parts + part] = n;
	}
}

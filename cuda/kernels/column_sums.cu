// Sums of columns where no product makes their parts on its way, as for the gradient of a bias.
//
// Work: a block of column_sums adds every 256/channels-th row of its share in one thread a channel, then these, in 1 KiB
// of shared memory; in column_finish a warp adds the parts of a channel, with no shared memory.
// Bytes moved: 4 read per element; the parts are few.
#include "storage.cuh"

// part[blockIdx.x][c] = Σ x[r, c] over the block's rows; blockIdx.y counts 256 channels.
extern "C" __global__ void __launch_bounds__(256) STORED(column_sums)(float *part, const real *x, i64 rows, int c, i64 rowsPerBlock) {
	__shared__ float sums[256];
	const int c0 = blockIdx.y * 256, width = min(c - c0, 256), lines = 256 / width;
	const int line = threadIdx.x / width, col = threadIdx.x % width;
	const i64 begin = blockIdx.x * rowsPerBlock, end = min(begin + rowsPerBlock, rows);
	float s = 0.f;
	if (line < lines) {
#pragma unroll 4
		for (i64 r = begin + line; r < end; r += lines)
			s += get(x + r * c + c0 + col);
	}
	sums[threadIdx.x] = s;
	__syncthreads();
	if (line == 0) {
		for (int l = 1; l < lines; l++)
			s += sums[l * width + col];
		part[(i64)blockIdx.x * c + c0 + col] = s;
	}
}

#ifndef BF16
extern "C" __global__ void __launch_bounds__(256) column_finish(float *sum, const float *part, int parts, int c, int add) {
	int col = blockIdx.x * 8 + threadIdx.x / 32;
	if (col >= c)
		return;
	float s = 0.f;
	for (int k = threadIdx.x % 32; k < parts; k += 32)
		s += __ldg(part + (i64)k * c + col);
	s = warp_sum(s);
	if (threadIdx.x % 32 == 0)
		store(sum + col, s, add);
}
#endif

// Gradients of a convolution's weights and bias, in two stages.
//
// Work: a block sums C[BM×BN] of conv_grad.cuh over one share of the voxels
// (blockIdx.z) into its part of a workspace; grad_finish adds the parts in order. How
// many shares there are depends on shapes alone. A stage is eight voxels: their
// channels are copied to shared memory as they lie. The "flat" kernels gather single words, for
// channel counts of the gathered tensor that are no multiple of four.
//
// Shared memory: grad_wide 14.2, grad_mid 11.2, grad_slim and grad_flat_slim 17.8, grad_thin and
// grad_flat_thin 16.5, grad_flat_square 4.2 KiB; grad_finish: no shared memory. Bytes moved: for each BM rows of C the
// gathered tensor's part and the plain tensor once; the workspace twice.
//
// column_sums, column_finish: sums of columns where no product above makes their parts on its way, as for db. A block adds every
// 256/channels-th row of its share in one thread a channel, then these, in 1 KiB of shared memory; a warp adds the parts
// of a channel, with no shared memory. 4 bytes read per element; the parts are few.
#include "conv_grad.cuh"

#define OUTER(name, tile, group, blocks)                                                                           \
	extern "C" __global__ void __launch_bounds__(tile::THREADS, blocks) name(                                   \
		float *part, float *columns, const float *g, const float *p, int dg, int hg, int wg, int cg, int rows,  \
		int dp, int hp, int wp, int cp, int k, int stride, int pad, int rowsPerSplit, u32 mulD, u32 mulH, u32 mulW,             \
		int shiftD, int shiftH, int shiftW) {                                                                    \
		outer<tile, group>({part, columns, g, p, dg, hg, wg, cg, rows, dp, hp, wp, cp, k, stride, pad,         \
			rowsPerSplit, mulD, mulH, mulW, shiftD, shiftH, shiftW});                                                        \
	}
OUTER(grad_wide, Wide, 4, 2)
OUTER(grad_mid, Mid, 4, 4)
OUTER(grad_slim, Slim, 4, 3)
OUTER(grad_thin, Thin, 4, 4)
OUTER(grad_flat_slim, Slim, 1, 2)
OUTER(grad_flat_thin, Thin, 1, 2)
OUTER(grad_flat_square, Square, 1, 4)

// grad_finish adds the parts: dw[t,i,o] = Σ part[s][t,i,o], or part[s][t,o,i] if swapped.
// A thread an element; parts·4 bytes read per element, coalesced unless swapped.
extern "C" __global__ void __launch_bounds__(256) grad_finish(float *dw, const float *part, int parts, i64 n, int ci, int co, int swapped, int add) {
	i64 e = thread_index();
	if (e >= n)
		return;
	i64 from = e;
	if (swapped) {
		int o = e % co, i = e / co % ci;
		from = (e / co / ci * co + o) * ci + i;
	}
	float s = 0.f;
#pragma unroll 4
	for (int k = 0; k < parts; k++)
		s += __ldg(part + k * n + from);
	store(dw + e, s, add);
}

// part[blockIdx.x][c] = Σ x[r, c] over the block's rows; blockIdx.y counts 256 channels.
extern "C" __global__ void __launch_bounds__(256) column_sums(float *part, const float *x, i64 rows, int c, i64 rowsPerBlock) {
	__shared__ float sums[256];
	const int c0 = blockIdx.y * 256, width = min(c - c0, 256), lines = 256 / width;
	const int line = threadIdx.x / width, col = threadIdx.x % width;
	const i64 begin = blockIdx.x * rowsPerBlock, end = min(begin + rowsPerBlock, rows);
	float s = 0.f;
	if (line < lines) {
#pragma unroll 4
		for (i64 r = begin + line; r < end; r += lines)
			s += __ldg(x + r * c + c0 + col);
	}
	sums[threadIdx.x] = s;
	__syncthreads();
	if (line == 0) {
		for (int l = 1; l < lines; l++)
			s += sums[l * width + col];
		part[(i64)blockIdx.x * c + c0 + col] = s;
	}
}

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

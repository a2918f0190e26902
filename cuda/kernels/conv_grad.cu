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

// grad_finish adds the parts: dw[t,i,o] = Σ part[s][t,i,o], or part[s][t,o,i] if swapped. A thread an element; parts·4 bytes read per element, coalesced unless swapped.
extern "C" __global__ void __launch_bounds__(256) grad_finish(float *dw, const float *part, int parts, i64 n, int ci, int co, int swapped, int add) {
	i64 e = thread_index();
	if (e >= n)
		return;
	i64 from = e;
	if (swapped) {
		const i64 row = e / co;
		from = (row / ci * co + e % co) * ci + row % ci;
	}
	float s = 0.f;
#pragma unroll 4
	for (int k = 0; k < parts; k++)
		s += __ldg(part + k * n + from);
	store(dw + e, s, add);
}

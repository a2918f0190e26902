// Convolutions to one or two channels, and the gradient of what they read, on tensor cores: the many channels are bf16, weights and the few are rounded, sums
// are fp32. What such a convolution multiplies is little, and the many channels are read once: the positions of its window are columns of a matrix.
//
// Work: wide_to_few_mma: a block has 16×8 voxels, `span` deep, six warps. Of a plane with its halo, 32 voxels a warp, it makes products with all positions, and of those the
// sums of its voxels, a thread each, as the planes pass. few_to_wide_mma: a block has 16×8×8 voxels by 96 of the many channels, a warp a line of each plane, two
// at once. conv_few_mma_grad.cu has the gradient of weights.
//
// Shared memory: few_to_wide_mma 19 KiB; wide_to_few_mma no shared memory but what its launch gives, 41.4 KiB and 3.5 for every 32 of the many. Bytes moved: the many channels once (1.8 times of
// them by wide_to_few_mma, mostly from L2), the few once for every 96 of the many.
//
// variants: sm_80
#include "conv_few_mma.cuh"

static __device__ __forceinline__ u32 word(const uint4 &v, int i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }

constexpr int PITCH = 196; // voxels of a position's products: four positions fall on all banks

// Lane 4g + q has eight of 32 channels of voxels g, g + 8, …: words of two steps of a product, whose channels are taken in that order. Columns are 2·position + channel.
extern "C" __global__ void __launch_bounds__(192, 2) wide_to_few_mma(float *y, const char *x, int voxelBytes, const float *w, const float *bias, const float *mask,
		int few, int wide, int wideFirst, int mirrored, int d, int h, int wi, int relu, int add, int span) {
	extern __shared__ __align__(16) float2 products[]; // [27][PITCH], then the weights' fragments [chunk][step][7][lane]
	uint2 *const weights = (uint2 *)(products + 27 * PITCH);
	const Few p = {w, few, wide, wideFirst, mirrored, d, h, wi};
	const Tile16 tile(blockIdx.x, p, span);
	const int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4, r0 = threadIdx.x / 32 * 32 + g, chunks = (wide + 31) / 32;
#pragma unroll 1
	for (int i = threadIdx.x; i < chunks * 14 * 32; i += 192) {
		const int column = i / 32 % 7 * 8 + i % 32 / 4, c = i / 448 * 32 + i % 4 * 8 + i / 224 % 2 * 4;
		auto two = [&](int c) {
			const bool ok = column < 54;
			return both(ok ? p.weight(column / 2, column % 2, c) : 0.f, ok ? p.weight(column / 2, column % 2, c + 1) : 0.f);
		};
		weights[i] = make_uint2(two(c), two(c + 2));
	}
	__syncthreads();
	const int vh = threadIdx.x / W, vw = threadIdx.x % W;
	const bool sums = threadIdx.x < W * H;
	float2 before = {0.f, 0.f}, here = {0.f, 0.f}; // what the voxels of the plane before and of this one have so far
#pragma unroll 1
	for (int z = -1; z <= span; z++) {
		float2 s[3] = {};
		if ((u32)(tile.d + z) < (u32)d) {
			const char *line[4];
			bool there[4];
#pragma unroll
			for (int i = 0; i < 4; i++) {
				const int r = r0 + 8 * i;
				const int v = tile.voxel(p, z, r / ROW - 1, r % ROW - 1);
				there[i] = r < PLANE && v >= 0;
				line[i] = x + (i64)v * voxelBytes + q * 16;
			}
			float acc[2][7][4] = {};
			uint4 next[4] = {};
			auto load = [&](int chunk) { // behind the last channel the one before stays, times weights that are 0
				const bool left = chunk * 64 + q * 16 < voxelBytes;
#pragma unroll
				for (int i = 0; i < 4; i++)
					fetch(next[i], line[i] + chunk * 64, there[i] && left);
			};
			load(0);
#pragma unroll 1
			for (int chunk = 0; chunk < chunks; chunk++) {
				const uint4 a[4] = {next[0], next[1], next[2], next[3]};
				load(chunk + 1);
#pragma unroll
				for (int step = 0; step < 2; step++)
#pragma unroll
					for (int j = 0; j < 7; j++) {
						const uint2 b = weights[((chunk * 2 + step) * 7 + j) * 32 + lane];
#pragma unroll
						for (int m = 0; m < 2; m++)
							mma<false>(acc[m][j], {word(a[2 * m], 2 * step), word(a[2 * m + 1], 2 * step), word(a[2 * m], 2 * step + 1), word(a[2 * m + 1], 2 * step + 1)}, b.x, b.y);
					}
			}
#pragma unroll
			for (int j = 0; j < 7; j++)
#pragma unroll
				for (int i = 0; i < 4; i++)
					if (j * 4 + q < 27)
						products[(j * 4 + q) * PITCH + r0 + 8 * i] = make_float2(acc[i / 2][j][i % 2 * 2], acc[i / 2][j][i % 2 * 2 + 1]);
			__syncthreads();
			if (sums)
#pragma unroll
				for (int k = 0; k < 27; k++) {
					const float2 v = products[k * PITCH + (vh + k / 3 % 3) * ROW + vw + k % 3];
					s[k / 9].x += v.x, s[k / 9].y += v.y;
				}
			__syncthreads();
		}
		const int v = sums && z > 0 ? tile.voxel(p, z - 1, vh, vw) : -1;
		if (v >= 0)
#pragma unroll
			for (int t = 0; t < 2; t++)
				if (t < few) {
					const i64 to = (i64)v * few + t;
					const float sum = (t ? before.y + s[2].y : before.x + s[2].x) + (add ? y[to] : 0.f) + (bias ? bias[t] : 0.f);
					y[to] = last(sum, mask ? mask[to] : 1.f, relu);
				}
		before = make_float2(here.x + s[1].x, here.y + s[1].y);
		here = s[0];
	}
}

// Rows are voxels of a line; pairs of the product's terms are the two few channels of a position. Lane 4g + q has eight neighbouring channels of voxels g and g + 8, as its columns of four
// steps are taken.
extern "C" __global__ void __launch_bounds__(256, 2) few_to_wide_mma(bf16 *y, const float *x, const float *w, const bf16 *mask, int few, int wide,
		int wideFirst, int mirrored, int d, int h, int wi, int add) {
	__shared__ u32 halo[10 * PLANE];
	__shared__ uint2 weights[3][4][4][32]; // [chunk][columns][step][lane]
	const Few p = {w, few, wide, wideFirst, mirrored, d, h, wi};
	const Tile16 tile(blockIdx.x, p, 8);
	const int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4, vh = threadIdx.x / 32, c0 = blockIdx.y * 96;
#pragma unroll 2
	for (int i = threadIdx.x; i < 10 * PLANE; i += 256) {
		const int v = tile.voxel(p, i / PLANE - 1, i % PLANE / ROW - 1, i % ROW - 1);
		halo[i] = both(load_if(x + (i64)v * few, v >= 0), load_if(x + (i64)v * few + 1, v >= 0 && few > 1));
	}
#pragma unroll 1
	for (int i = threadIdx.x; i < 3 * 4 * 4 * 32; i += 256) {
		const int col = i % 32 / 4, c = c0 + i / 512 * 32 + col / 2 * 8 + i / 128 % 4 * 2 + col % 2, tap = i / 32 % 4 * 8 + i % 4;
		auto two = [&](int tap) { return tap < 27 ? both(p.weight(tap, 0, c), p.weight(tap, 1, c)) : 0u; };
		(&weights[0][0][0][0])[i] = make_uint2(two(tap), two(tap + 4));
	}
	int from[8]; // where a position's voxel of the halo is; those that have no weights take the last one's
#pragma unroll
	for (int i = 0; i < 8; i++) {
		const int k = min(i * 4 + q, 26);
		from[i] = k / 9 * PLANE + (vh + k / 3 % 3) * ROW + g + k % 3;
	}
	__syncthreads();
	const int chunks = min(3, (wide - c0 + 31) / 32);
#pragma unroll 1
	for (int z = 0; z < 8 && tile.d + z < d; z += 2) {
		u32 a[2][4][4];
#pragma unroll
		for (int m = 0; m < 2; m++)
#pragma unroll
			for (int s = 0; s < 4; s++) {
				const u32 *lo = halo + (z + m) * PLANE + from[2 * s], *hi = halo + (z + m) * PLANE + from[2 * s + 1];
				a[m][s][0] = lo[0], a[m][s][1] = lo[8], a[m][s][2] = hi[0], a[m][s][3] = hi[8];
			}
		int v[4];
#pragma unroll
		for (int i = 0; i < 4; i++)
			v[i] = tile.voxel(p, z + i / 2, vh, g + i % 2 * 8);
#pragma unroll 1
		for (int chunk = 0; chunk < chunks; chunk++) {
			float acc[2][4][4] = {};
#pragma unroll
			for (int j = 0; j < 4; j++)
#pragma unroll
				for (int s = 0; s < 4; s++) {
					const uint2 b = weights[chunk][j][s][lane];
					mma<false>(acc[0][j], a[0][s], b.x, b.y);
					mma<false>(acc[1][j], a[1][s], b.x, b.y);
				}
			const int c = c0 + chunk * 32 + q * 8;
			if (c >= wide)
				continue;
#pragma unroll
			for (int i = 0; i < 4; i++) {
				if (v[i] < 0)
					continue;
				const i64 to = (i64)v[i] * wide + c;
				float sum[8], old[8], m[8];
#pragma unroll
				for (int e = 0; e < 8; e++)
					sum[e] = acc[i / 2][e / 2][i % 2 * 2 + e % 2];
				if (add) {
					numbers(old, *(const uint4 *)(y + to), y);
#pragma unroll
					for (int e = 0; e < 8; e++)
						sum[e] += old[e];
				}
				if (mask) {
					numbers(m, __ldg((const uint4 *)(mask + to)), y);
#pragma unroll
					for (int e = 0; e < 8; e++)
						sum[e] = m[e] > 0.f ? sum[e] : 0.f;
				}
				*(uint4 *)(y + to) = make_uint4(both(sum[0], sum[1]), both(sum[2], sum[3]), both(sum[4], sum[5]), both(sum[6], sum[7]));
			}
		}
	}
}

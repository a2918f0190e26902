// The gradient of the weights of conv_few_mma.cu's convolutions, as conv_few_grad.cu has it.
//
// Work: few_grad_mma: a block has a share of the tiles of 16×8×8 voxels by 32 of the many channels, a warp a line of each plane; warps are added in order, shares by column_finish.
//
// Shared memory: 33 KiB. Bytes moved: the many channels once, the few once for every 32 of these, with their halo; the workspace twice.
//
// variants: sm_80
#include "conv_few_mma.cuh"

// part[share] as conv_few_grad.cu has it. Rows are 2·position + channel, terms the voxels of a line: lane 4g + q has voxels 4q to 4q + 3, and of the many channels 4g to 4g + 3.
extern "C" __global__ void __launch_bounds__(256, 2) few_grad_mma(float *part, const char *x, int voxelBytes, const float *fewer, int few, int wide, int wideFirst, int mirrored,
		int d, int h, int wi, int tiles, int share) {
	constexpr int LINES = 101, OUT = 33; // lines of 16 voxels of a copy, and of sums: no two of what is read at once on the same bank, or few
	__shared__ __align__(16) float shared[8 * 32 * OUT];
	uint2 *const lines = (uint2 *)shared; // [position along w][channel][LINES][4]: the few, moved along w
	const Few p = {nullptr, few, wide, wideFirst, mirrored, d, h, wi};
	const int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4, warp = threadIdx.x / 32, c0 = blockIdx.y * 32;
	const int begin = blockIdx.x * share, end = begin + min(share, tiles - begin), at = (c0 + 4 * g) * 2;
	int from[4][2];
#pragma unroll
	for (int i = 0; i < 8; i++) {
		const int r = min(i * 8 + g, 53), k = r / 2; // what rows beyond the last one are is not stored
		from[i / 2][i % 2] = ((k % 3 * 2 + r % 2) * LINES + k / 9 * (H + 2) + warp + k / 3 % 3) * 4 + q;
	}
	float acc[4][4][4] = {};
	for (int b = begin; b < end; b++) {
		const Tile16 tile(b, p, 8);
		__syncthreads();
		if (threadIdx.x < 200) {
			const int line = threadIdx.x / 2, t = threadIdx.x % 2;
			float v[18];
#pragma unroll
			for (int i = 0; i < 18; i++) {
				const int at = tile.voxel(p, line / 10 - 1, line % 10 - 1, i - 1);
				v[i] = load_if(fewer + (i64)at * few + t, at >= 0 && t < few);
			}
#pragma unroll
			for (int i = 0; i < 6; i++) {
				const float *u = v + i / 2 + i % 2 * 8;
				((uint4 *)lines)[((i / 2 * 2 + t) * LINES + line) * 2 + i % 2] = make_uint4(both(u[0], u[1]), both(u[2], u[3]), both(u[4], u[5]), both(u[6], u[7]));
			}
		}
		__syncthreads();
		const char *voxels = x + ((((i64)tile.n * d + tile.d) * h + tile.h + warp) * wi + tile.w + 4 * q) * voxelBytes + at;
		const i64 plane = (i64)h * wi * voxelBytes;
		const int there = tile.h + warp < h && at < voxelBytes ? wi - tile.w - 4 * q : 0, planes = min(8, d - tile.d);
		uint2 next[4] = {};
		auto load = [&](int z) {
#pragma unroll
			for (int i = 0; i < 4; i++)
				fetch(next[i], voxels + i * voxelBytes, i < there && z < planes);
			voxels += plane;
		};
		load(0);
#pragma unroll 1
		for (int z = 0; z < planes; z++) {
			u32 b[4][2];
#pragma unroll
			for (int i = 0; i < 2; i++) {
				const uint2 u = next[2 * i], v = next[2 * i + 1];
				b[0][i] = __byte_perm(u.x, v.x, 0x5410), b[1][i] = __byte_perm(u.x, v.x, 0x7632);
				b[2][i] = __byte_perm(u.y, v.y, 0x5410), b[3][i] = __byte_perm(u.y, v.y, 0x7632);
			}
			load(z + 1);
#pragma unroll
			for (int m = 0; m < 4; m++) {
				const uint2 lo = lines[from[m][0] + z * (H + 2) * 4], hi = lines[from[m][1] + z * (H + 2) * 4];
#pragma unroll
				for (int j = 0; j < 4; j++)
					mma<false>(acc[m][j], {lo.x, hi.x, lo.y, hi.y}, b[j][0], b[j][1]);
			}
		}
	}
	float *mine = part + (i64)blockIdx.x * 27 * few * wide;
#pragma unroll
	for (int half = 0; half < 2; half++) {
		__syncthreads();
#pragma unroll
		for (int m = 0; m < 2; m++)
#pragma unroll
			for (int j = 0; j < 4; j++)
#pragma unroll
				for (int i = 0; i < 4; i++)
					shared[(warp * 32 + m * 16 + i / 2 * 8 + g) * OUT + q * 8 + i % 2 * 4 + j] = acc[half * 2 + m][j][i];
		__syncthreads();
#pragma unroll 1
		for (int i = threadIdx.x; i < 32 * 32; i += 256) {
			const int r = half * 32 + i / 32, c = c0 + i % 32;
			if (r >= 54 || r % 2 >= few || c >= wide)
				continue;
			float s = 0.f;
#pragma unroll
			for (int l = 0; l < 8; l++)
				s += shared[(l * 32 + i / 32) * OUT + i % 32];
			mine[p.place(r / 2, r % 2, c)] = s;
		}
	}
}

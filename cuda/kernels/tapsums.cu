// s[t, c]: the sum of x over the voxels whose tap t of a 3³ window lies inside: along each axis all voxels, all but the
// first or all but the last, put together from sums over the whole, the faces, the edges and the corners.
//
// Regions are numbered by an axis' digit to the base of three: 0 all voxels, 1 the first, 2 the last.
//
// border_sums: a block adds a share of the rows of one of the 26 regions that are not the whole, 256/channels rows at once, in
// 1 KiB of shared memory; 4 bytes read per element of the border. tap_sums: a block per channel adds the parts, a warp a
// region; 216 bytes of shared memory, few bytes.
#include "storage.cuh"

// part[region − 1][block][c]; blockIdx.z counts 256 channels.
extern "C" __global__ void __launch_bounds__(256) STORED(border_sums)(float *part, const real *x, int batch, int d, int h, int w, int c, int share) {
	__shared__ float sums[256];
	const int region = blockIdx.y + 1, kd = region / 9, kh = region / 3 % 3, kw = region % 3;
	const int nd = kd ? 1 : d, nh = kh ? 1 : h, nw = kw ? 1 : w;
	const int d0 = kd == 2 ? d - 1 : 0, h0 = kh == 2 ? h - 1 : 0, w0 = kw == 2 ? w - 1 : 0;
	const int c0 = blockIdx.z * 256, width = min(c - c0, 256), lines = 256 / width;
	const int line = threadIdx.x / width, col = threadIdx.x % width;
	const i64 begin = (i64)blockIdx.x * share, end = min(begin + share, (i64)batch * nd * nh * nw);
	float s = 0.f;
	if (line < lines) {
#pragma unroll 4
		for (i64 at = begin + line; at < end; at += lines) {
			u32 r = (u32)at;
			i64 v = w0 + r % nw;
			r /= nw;
			v += (i64)(h0 + r % nh) * w;
			r /= nh;
			v += ((i64)(r / nd) * d + d0 + r % nd) * h * w;
			s += read(x + v * c + c0 + col);
		}
	}
	sums[threadIdx.x] = s;
	__syncthreads();
	if (line == 0) {
		for (int l = 1; l < lines; l++)
			s += sums[l * width + col];
		part[((i64)blockIdx.y * gridDim.x + blockIdx.x) * c + c0 + col] = s;
	}
}

#ifndef BF16
// whole are parts of column_sums; sum, which takes s of the whole, may be null.
extern "C" __global__ void __launch_bounds__(256) tap_sums(double *taps, float *sum, int add, const float *whole, int wholes, const float *part, int parts, int c) {
	__shared__ double regions[27];
	const int ch = blockIdx.x, lane = threadIdx.x % 32;
	for (int region = threadIdx.x / 32; region < 27; region += 8) {
		const float *p = region ? part + (i64)(region - 1) * parts * c : whole;
		double s = 0;
		for (int k = lane; k < (region ? parts : wholes); k += 32)
			s += __ldg(p + (i64)k * c + ch);
		s = warp_sum(s);
		if (lane == 0)
			regions[region] = s;
	}
	__syncthreads();
	int t = threadIdx.x;
	if (t == 0 && sum)
		store(sum + ch, (float)regions[0], add);
	if (t >= 27)
		return;
	// What tap 0 leaves out along an axis is the first voxel, what tap 2 leaves out the last.
	const int out[3] = {0x201 >> (t / 9 * 4) & 3, 0x201 >> (t / 3 % 3 * 4) & 3, 0x201 >> (t % 3 * 4) & 3};
	double s = 0;
#pragma unroll
	for (int bits = 0; bits < 8; bits++) {
		int a = bits & 1 ? out[0] : 0, b = bits & 2 ? out[1] : 0, e = bits & 4 ? out[2] : 0;
		if ((bits & 1 && !a) || (bits & 2 && !b) || (bits & 4 && !e))
			continue;
		double v = regions[a * 9 + b * 3 + e];
		s += (bits & 1) ^ (bits >> 1 & 1) ^ (bits >> 2 & 1) ? -v : v;
	}
	taps[(i64)t * c + ch] = s;
}
#endif

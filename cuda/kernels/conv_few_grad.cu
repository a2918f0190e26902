// The gradient of the weights of conv_few.cu's convolutions:
//
//	C[position, t, c] = Σ over u of wide[u, c] · few[u + position − 1, t]
//
// Work: few_grad_1, few_grad_2, few_grad_4, by the few channels of a block: it has a share of the tiles of 8³ voxels, a thread a channel of the many in every so many
// rows of eight voxels, for all 27 positions. Such lines of threads are added in order, the shares by column_finish.
//
// Shared memory: few_grad_1 4.7, few_grad_2 9.4, few_grad_4 18.8 KiB. Bytes moved: the many channels once (and once for every four of the few), the few once
// for every 256 of the many at most, with their halo; the workspace twice.
#include "conv_few.cuh"

// part[share] is Σ wide[u, c]·few[u + position − 1, t] over a share of the tiles, laid out as the weights are, columns[share] is Σ wide[u, c].
template <int T> __device__ __forceinline__ void few_grad(float *part, float *columns, const real *wide, const float *few, const Few &p, int width, int tiles, int share) {
	__shared__ __align__(16) float halo[T][1200]; // rows of ten voxels, twelve apart
	const int lines = blockDim.x / width, line = threadIdx.x / width, c = blockIdx.y * width + threadIdx.x % width, t0 = blockIdx.z * T;
	const bool active = line < lines && c < p.wide;
	const int begin = blockIdx.x * share, end = begin + min(share, tiles - begin);
	float acc[27][T] = {}, sum = 0.f;
	for (int b = begin; b < end; b++) {
		const FewTile tile(b, p, 8);
		__syncthreads();
#pragma unroll 2
		for (int i = threadIdx.x; i < 1000 * T; i += blockDim.x) {
			int v = i / T, from = tile.voxel(p, v), t = t0 + i % T;
			halo[i % T][v / 10 * 12 + v % 10] = load_if(few + (i64)from * p.few + t, from >= 0 && t < p.few);
		}
		__syncthreads();
		if (!active)
			continue;
		float a[8], next[8];
		auto load = [&](int row) {
			int d = tile.d + row / 8, h = tile.h + row % 8;
			bool there = row < 64 && d < p.d && h < p.h;
			const real *q = wide + ((i64)((tile.n * p.d + d) * p.h + h) * p.wi + tile.w) * p.wide + c;
#pragma unroll
			for (int i = 0; i < 8; i++)
				next[i] = load_if(q + (i64)i * p.wide, there && tile.w + i < p.wi);
		};
		load(line);
#pragma unroll 1
		for (int row = line; row < 64; row += lines) {
#pragma unroll
			for (int i = 0; i < 8; i++)
				sum += a[i] = next[i];
			load(row + lines);
#pragma unroll
			for (int k = 0; k < 9; k++)
#pragma unroll
				for (int t = 0; t < T; t++) {
					const float4 *q = (const float4 *)&halo[t][((row / 8 + k / 3) * 10 + row % 8 + k % 3) * 12];
					const float4 f = q[0], g = q[1];
					const float2 h = *(const float2 *)(q + 2);
					const float v[10] = {f.x, f.y, f.z, f.w, g.x, g.y, g.z, g.w, h.x, h.y};
#pragma unroll
					for (int i = 0; i < 8; i++)
#pragma unroll
						for (int j = 0; j < 3; j++)
							acc[k * 3 + j][t] = fmaf(a[i], v[i + j], acc[k * 3 + j][t]);
				}
		}
	}
	// Four positions of all lines at once in the halo's place.
	constexpr int AT_ONCE = sizeof(halo) / (T * 1024);
	float *sums = &halo[0][0], *mine = part + (i64)blockIdx.x * 27 * p.few * p.wide;
#pragma unroll
	for (int k0 = 0; k0 < 28; k0 += AT_ONCE) { // behind the positions the sum of the many
		__syncthreads();
#pragma unroll
		for (int k = k0; k < k0 + AT_ONCE && k < 28; k++)
#pragma unroll
			for (int t = 0; t < T; t++)
				sums[((k - k0) * T + t) * 256 + threadIdx.x] = k < 27 ? acc[k % 27][t] : sum;
		__syncthreads();
#pragma unroll 1
		for (int i = threadIdx.x; i < AT_ONCE * T * width; i += blockDim.x) {
			const int at = i / width, k = k0 + at / T, t = t0 + at % T, col = i - at * width, to = blockIdx.y * width + col;
			if (to >= p.wide || t >= p.few || k > 27)
				continue;
			float s = 0.f;
#pragma unroll 1
			for (int l = 0; l < lines; l++)
				s += sums[at * 256 + l * width + col];
			if (k < 27)
				mine[p.place(k, t, to)] = s;
			else if (columns && t == 0)
				columns[(i64)blockIdx.x * p.wide + to] = s;
		}
	}
}

#define FEW(T)                                                                                                                            \
	extern "C" __global__ void __launch_bounds__(256) STORED(few_grad_##T)(float *part, float *columns, const real *wide, const float *few, \
		int cf, int cw, int wideFirst, int mirrored, int d, int h, int wi, int width, int tiles, int share) {                             \
		few_grad<T>(part, columns, wide, few, {nullptr, cf, cw, wideFirst, mirrored, d, h, wi}, width, tiles, share);                     \
	}
FEW(1)
FEW(2)
FEW(4)
#undef FEW

// Convolution and its relatives that gather, on tensor cores: Conv, ConvGradX, ConvT, ConvTGradX for windows of at most
// three positions an axis (of a phase, where there is a stride). Operands are bf16 or tf32, sums fp32.
//
// variants: sm_80
//
// Products: mma_bf16_96, mma_bf16_48, mma_bf16_24, mma_tf32_96, mma_tf32_48, mma_tf32_24, by their columns, and mma_bf16_32x48, mma_tf32_32x48, which have 48 for
// a multiprocessor that has no second block. Operands come rounded, see conv_mma_operands.cu; y is float or, in products of bf16, bf16.
//
// Work: a block has 256 output voxels, a box of 16×4×4, 8×8×4 or 4×8×8, by 96, 48 or 24 channels, a warp 64 by 48 or
// 24, in the products of that name 32 by 48. For a chunk of 96 bytes of the input's channels (48 of bf16, 24 of tf32) the box with its halo is copied to shared
// memory once and serves all kernel positions; the weights of a position follow, the next ones copied while these are
// multiplied. Rows are 112 bytes apart there, so that ldmatrix meets no bank twice. blockIdx.z: the classes of output positions
// modulo the stride where a tensor is scattered, times the shares of the sum where there are too few blocks; each share
// stores its part, and mma_finish adds them in order. At the end sums go through shared memory, so that y is written in whole rows,
// and what Last has is read so: what y was, a mask, the source of a norm.
//
// Shared memory: dynamic: 648 × 112 bytes and two stages of 112 for each column, 94080 for 96 columns; no shared memory of a fixed
// size. Bytes moved: x once and its halo for every 96 channels of y, weights once a block, y once (twice for Add), a mask and a norm's source once;
// of moments 16 bytes for each channel and box in place of y.
#include "conv_mma.cuh"

constexpr int PITCH = 112, CHUNK = 96, HALO = 648;

template <int N> struct Width {
	static constexpr int V = N;
};

// held keeps the assembler from making a value anew wherever it is used, in the main loop.
template <typename V> __device__ __forceinline__ V held(V v) { return __shfl_sync(0xffffffffu, v, threadIdx.x % 32); }

template <bool TF32, int N, int WARPS> __device__ __forceinline__ void product(const Product &p) {
	constexpr int COLS = N == 96 ? 48 : N, FRAGS = COLS / 8; // of a warp
	constexpr int DOWN = WARPS * COLS / N, ROWS = 256 / DOWN; // warps below each other, and voxels of one
	constexpr int THREADS = WARPS * 32, COPIES = (N * 6 + THREADS - 1) / THREADS, REST = N * 6 - (COPIES - 1) * THREADS;
	extern __shared__ __align__(128) char memory[];
	const u32 halo = shared_address(memory), ring = halo + HALO * PITCH;
	const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, wm = warp % DOWN, wn = warp / DOWN;
	const int cls = blockIdx.z / p.shares, shareAt = blockIdx.z % p.shares, s = p.stride;
	const Grid tile = {256 >> (p.lw + p.lh), 1 << p.lh, 1 << p.lw};

	// The first voxel of the box. All classes have the grid of the largest.
	auto outputs = [&](int n, int extent) { return (p.scatters ? (n + s - 1) / s : n) + extent - 1; };
	const int tw = outputs(p.wo, tile.w) / tile.w, th = outputs(p.ho, tile.h) / tile.h, td = outputs(p.dout, tile.d) / tile.d;
	int b = blockIdx.x;
	const int w0 = b % tw * tile.w;
	b /= tw;
	const int h0 = b % th * tile.h;
	b /= th;
	const int d0 = b % td * tile.d, sample = b / td;
	const i64 planeBytes = (i64)p.hi * p.wi * p.voxelBytes;
	const char *x = p.x + sample * (p.di * planeBytes);
	const int chunks = (p.voxelBytes + CHUNK - 1) / CHUNK, kkk = p.k * p.k * p.k;
	const char *weights = (const char *)held((u64)p.w + (i64)blockIdx.y * kkk * chunks * (N * CHUNK) + threadIdx.x * 16);

	float acc[ROWS / 16][FRAGS][4] = {};
	// Where this lane's rows of ldmatrix begin: of a voxel in the box, and of a column of weights.
	auto voxel = [&](int row) { return Grid{row >> (p.lw + p.lh), row >> p.lw & (tile.h - 1), row & (tile.w - 1)}; };
	const u32 column = ring + (wn * COLS + (lane >> 4) * 8 + (lane & 7)) * PITCH + (lane >> 3 & 1) * 16;
	u32 rows[ROWS / 16], to[COPIES]; // and where its copies of weights go
#pragma unroll
	for (int i = 0; i < COPIES; i++)
		to[i] = ring + (threadIdx.x + i * THREADS) / 6 * PITCH + (threadIdx.x + i * THREADS) % 6 * 16;
	Box bd, bh, bw;
	// Weights go to two places in turn, which are kept: of a number of the stage the assembler would make them anew each time, the lane's part too.
	u32 ahead = 0, from = column;
	int turn = N * PITCH;
	const int end = min((shareAt + 1) * p.share, (p.scatters ? 1 : s * s * s) * chunks * 3);
	for (int unit = shareAt * p.share; unit < end;) {
		int phase = unit / (chunks * 3), chunk = unit / 3 % chunks, jd = unit % 3;
		if (p.scatters) {
			bd = scattered(p.dout, p.k, s, p.pad, cls / (s * s)), bh = scattered(p.ho, p.k, s, p.pad, cls / s % s), bw = scattered(p.wo, p.k, s, p.pad, cls % s);
		} else {
			bd = gathered(p.dout, p.k, s, p.pad, phase / (s * s)), bh = gathered(p.ho, p.k, s, p.pad, phase / s % s), bw = gathered(p.wo, p.k, s, p.pad, phase % s);
		}
		const int last = min(bd.taps, jd + end - unit); // the plane of the window behind those of this round
		unit += 3 - jd;
		if (jd >= last || bh.taps == 0 || bw.taps == 0)
			continue;
		const Grid ext = {tile.d + bd.taps - 1, tile.h + bh.taps - 1, tile.w + bw.taps - 1};
		const int bytes = min(CHUNK, p.voxelBytes - chunk * CHUNK);
		int tap = ((bd.tap + jd * bd.step) * p.k + bh.tap) * p.k + bw.tap; // of the weights to copy next
		auto copyWeights = [&]() {
			const char *q = weights + (i64)(tap * chunks + chunk) * (N * CHUNK);
#pragma unroll
			for (int i = 0; i < COPIES; i++)
				if (i + 1 < COPIES || threadIdx.x < REST)
					copy16(to[i] + ahead, q + i * THREADS * 16, true);
			ahead = N * PITCH - ahead;
		};
		__syncthreads(); // the halo was read
		copy_box(halo, PITCH, x + chunk * CHUNK, p.voxelBytes, {p.di, p.hi, p.wi}, {d0 * bd.scale + bd.off, h0 * bh.scale + bh.off, w0 * bw.scale + bw.off},
			{bd.scale, bh.scale, bw.scale}, ext, (bytes + 31) / 32 * 2, bytes / 16);
#pragma unroll
		for (int f = 0; f < ROWS / 16; f++) {
			Grid v = voxel(wm * ROWS + f * 16 + lane % 16);
			rows[f] = halo + ((v.d * ext.h + v.h) * ext.w + v.w) * PITCH + lane / 16 * 16;
		}
		copyWeights();
		// The way from a position of the window to the next, in the halo and in the weights, at the end of a line and of a plane too.
		const int line = held((ext.w - bw.taps) * PITCH), plane = held((ext.h - bh.taps) * ext.w * PITCH);
		const int tapLine = held(p.k * bh.step - bw.taps * bw.step), tapPlane = held(p.k * (p.k * bd.step - bh.taps * bh.step));
		u32 shift = jd * ext.h * ext.w * PITCH;
		for (int jh = 0, jw = 0; jd < last;) {
			const u32 at = shift, weight = from;
			from += turn, turn = -turn;
			shift += PITCH, tap += bw.step;
			if (++jw == bw.taps) {
				jw = 0, shift += line, tap += tapLine;
				if (++jh == bh.taps)
					jh = 0, jd++, shift += plane, tap += tapPlane;
			}
			arrive();
			if (jd < last)
				copyWeights();
#pragma unroll
			for (int kk = 0; kk < CHUNK; kk += 32) {
				if (kk >= bytes)
					break;
				u32 a[ROWS / 16][4];
#pragma unroll
				for (int f = 0; f < ROWS / 16; f++)
					matrices(a[f], rows[f] + at + kk);
#pragma unroll
				for (int g = 0; g < FRAGS; g += 2) {
					u32 q[4];
					// Of three fragments the last is read with the one before.
					matrices(q, weight + (g + 1 < FRAGS ? g : g - 1) * 8 * PITCH + kk);
#pragma unroll
					for (int f = 0; f < ROWS / 16; f++) {
						if (g + 1 < FRAGS) {
							mma<TF32>(acc[f][g], a[f], q[0], q[1]);
							mma<TF32>(acc[f][(g + 1) % FRAGS], a[f], q[2], q[3]);
						} else {
							mma<TF32>(acc[f][g], a[f], q[2], q[3]);
						}
					}
				}
			}
		}
	}

	if (p.scatters)
		bd = scattered(p.dout, p.k, s, p.pad, cls / (s * s)), bh = scattered(p.ho, p.k, s, p.pad, cls / s % s), bw = scattered(p.wo, p.k, s, p.pad, cls % s);
	else
		bd = gathered(p.dout, p.k, s, p.pad, 0), bh = gathered(p.ho, p.k, s, p.pad, 0), bw = gathered(p.wo, p.k, s, p.pad, 0);
	// The sums go to shared memory, a warp's columns at a time, and from there, in whole rows, to y.
	constexpr int OUT = COLS == 48 ? 56 : 24; // from row to row: fragments meet no bank twice
	static_assert(256 * OUT * 4 + THREADS * 8 <= HALO * PITCH, "sums fit where the halo was");
	float *sums = (float *)memory;
	const Grid there = {min(tile.d, bd.n - d0), min(tile.h, bh.n - h0), min(tile.w, bw.n - w0)}; // of the box, in y
	const Last last = {p.y, p.bias, p.zscale, p.z, p.mask, p.table, p.relu, p.add, p.half, p.co};
	const i64 first = ((p.part ? (i64)shareAt * p.batch : 0) + sample) * p.dout;
#pragma unroll 1
	for (int pass = 0; pass < N / COLS; pass++) {
		__syncthreads(); // what was there was read
		if (wn == pass)
#pragma unroll
			for (int f = 0; f < ROWS / 16; f++)
#pragma unroll
				for (int half = 0; half < 2; half++)
#pragma unroll
					for (int g = 0; g < FRAGS; g++)
						*(float2 *)(sums + (wm * ROWS + f * 16 + half * 8 + lane / 4) * OUT + g * 8 + lane % 4 * 2) = make_float2(acc[f][g][half * 2], acc[f][g][half * 2 + 1]);
		__syncthreads();
		const int c0 = blockIdx.y * N + pass * COLS;
		if (p.moments) {
			moments<COLS, THREADS, OUT>(p, sums, c0, there, voxel);
			continue;
		}
		auto out = [&](auto width) {
			constexpr int V = decltype(width)::V;
			for (int i = threadIdx.x; i < 256 * COLS / V; i += THREADS) {
				const int row = i / (COLS / V), c = i % (COLS / V) * V;
				const Grid v = voxel(row);
				if (v.d >= there.d || v.h >= there.h || v.w >= there.w || c0 + c >= p.co)
					continue;
				const int d = (d0 + v.d) * bd.ostride + bd.first, h = (h0 + v.h) * bh.ostride + bh.first, w = (w0 + v.w) * bw.ostride + bw.first;
				const i64 at = (((first + d) * p.ho + h) * p.wo + w) * p.co + c0 + c;
				last.store<!TF32, V>(load<V>(sums + row * OUT + c), at, c0 + c, presence(d, p.dout) << 4 | presence(h, p.ho) << 2 | presence(w, p.wo));
			}
		};
		if (p.co % 4 == 0)
			out(Width<4>());
		else
			out(Width<1>());
	}
}

#define PRODUCT(name, tf32, n, warps)                                                                                                    \
	extern "C" __global__ void __launch_bounds__(warps * 32) name(void *y, const char *x, const char *w, const float *bias, int batch, \
		int di, int hi, int wi, int voxelBytes, int dout, int ho, int wo, int co, int k, int stride, int pad, int scatters, int lw, int lh, \
		int shares, int share, int relu, int add, int part, int half, int table, const void *z, const float *zscale, const void *mask,     \
		double *moments) {                                                                                                                 \
		product<tf32, n, warps>({y, x, w, bias, batch, di, hi, wi, voxelBytes, dout, ho, wo, co, k, stride, pad, scatters, lw, lh, shares,  \
			share, relu, add, part, half, table, z, zscale, mask, moments});                                                               \
	}
PRODUCT(mma_bf16_96, false, 96, 8)
PRODUCT(mma_bf16_48, false, 48, 4)
PRODUCT(mma_bf16_32x48, false, 48, 8)
PRODUCT(mma_bf16_24, false, 24, 4)
PRODUCT(mma_tf32_96, true, 96, 8)
PRODUCT(mma_tf32_48, true, 48, 4)
PRODUCT(mma_tf32_32x48, true, 48, 8)
PRODUCT(mma_tf32_24, true, 24, 4)

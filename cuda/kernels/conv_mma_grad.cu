// Gradients of a convolution's weights on tensor cores. One tensor is gathered (x, or dy where the convolution is
// transposed), the other is plain; each voxel v of the plain one meets voxel v·stride − pad + k of the gathered one:
//
//	C[(k, i), o] = Σ over v of gathered[v·stride − pad + k, i] · plain[v, o]
//
// variants: sm_80
//
// Work: a warp has one position of the window by 48 channels of the gathered tensor by 48 or 24 of the plain one, a block the positions that read the
// same voxels: of a window of at most three positions an axis those of a plane, of a longer one, which has a stride, those of one remainder modulo the
// stride, in all three axes where that makes two an axis, else in a plane. The block goes through its share of the tiles of 16 or 8 voxels along W by a
// few: a tile's voxels and those of the gathered tensor around them, of a longer window every stride'th, are copied to shared memory while the tile before is multiplied.
// Blocks of 48 columns that are stored in bf16 add these up on the way, of the first of the gathered tensor's channels, each some of a tile's voxels.
// blockIdx.z: the parts of the window times the shares, whose sums conv_grad.cu's grad_finish adds in order. The operands were rounded by conv_mma_operands.cu.
//
// bf16 is read transposed by ldmatrix (mma_grad_bf16_48, mma_grad_bf16_24). Of tf32 (mma_grad_tf32_48, mma_grad_tf32_24) a lane reads two neighbouring
// channels of the gathered tensor at once: a product's rows are in the order that the epilogue knows. 112 and 224 bytes from voxel to voxel: no bank is met twice where the
// voxels of a product are neighbours in shared memory, as they are but for a short window with a stride.
//
// Shared memory: dynamic: two stages of a tile and its surroundings, at most 99 KiB; no shared memory of a fixed size. Bytes moved: both
// tensors, rounded, once for each part of the window (the gathered one where it has voxels of that part) and each 48 channels of the other, with the halo; the workspace twice.
#include "mma.cuh"

struct Outer {
	float *part;
	const char *g, *p;                      // gathered, plain, both rounded
	int dg, hg, wg, gBytes, cg;             // g: bytes of a voxel, channels
	int batch, dp, hp, wp, pBytes, cp;
	int k, stride, pad;
	int lw, lh, td;                         // tile: log2 of the extents along w and h, extent along d
	int tiles, share;                       // in all, of a share
	int side, deep, bases;                  // a block's positions along h and w, along d; the parts of the window along h and w
	float *columns;                         // [blockIdx.z][cp], of bf16; may be null
};

// Two neighbouring channels of a voxel.
static __device__ __forceinline__ void shared_pair(u32 &a, u32 &b, u32 from) {
	asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(a), "=r"(b) : "r"(from) : "memory");
}

static __device__ __forceinline__ float shared_bf16(u32 a) {
	unsigned short v;
	asm volatile("ld.shared.u16 %0, [%1];" : "=h"(v) : "r"(a) : "memory");
	return __uint_as_float((u32)v << 16);
}

template <bool TF32, int N> __device__ __forceinline__ void outer(const Outer &o) {
	constexpr int PITCH = TF32 ? 224 : 112, ES = TF32 ? 4 : 2, PIECES = 48 * ES / 16, FRAGS = N / 8;
	extern __shared__ __align__(128) char memory[];
	const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, s = o.stride;
	// The block's first position and the way to the next along h and w; between voxels of a product there are as many in shared memory.
	const int every = o.bases == 1 ? 1 : s, apart = s / every, planes = o.deep == 1 ? o.k : min(s, o.k);
	const int cls = blockIdx.z % (o.bases * o.bases * planes), shareAt = blockIdx.z / (o.bases * o.bases * planes);
	const Grid base = {cls / (o.bases * o.bases), cls / o.bases % o.bases, cls % o.bases};
	const Grid j = {warp / (o.side * o.side), warp / o.side % o.side, warp % o.side};
	const Grid at = {base.d + j.d * s, base.h + j.h * every, base.w + j.w * every};
	const bool there = at.d < o.k && at.h < o.k && at.w < o.k;

	const int i0 = blockIdx.x * 48, o0 = blockIdx.y * N;
	const Grid tile = {o.td, 1 << o.lh, 1 << o.lw}, ext = {tile.d + o.deep - 1, (tile.h - 1) * apart + o.side, (tile.w - 1) * apart + o.side};
	const int voxels = tile.d * tile.h * tile.w;
	const u32 first = shared_address(memory), plain = ext.d * ext.h * ext.w * PITCH, stageBytes = plain + voxels * PITCH;
	const int tw = (o.wp + tile.w - 1) / tile.w, th = (o.hp + tile.h - 1) / tile.h, td = (o.dp + tile.d - 1) / tile.d;
	const int begin = shareAt * o.share, end = min(begin + o.share, o.tiles);
	const int gThere = min(PIECES, (o.gBytes - i0 * ES) / 16), pThere = min(N * ES / 16, (o.pBytes - o0 * ES) / 16);

	auto copyTile = [&](int t) {
		const u32 to = first + (t - begin & 1) * stageBytes;
		int w0 = t % tw * tile.w, r = t / tw, h0 = r % th * tile.h;
		r /= th;
		int d0 = r % td * tile.d, n = r / td;
		copy_box(to, PITCH, o.g + (i64)n * o.dg * o.hg * o.wg * o.gBytes + i0 * ES, o.gBytes, {o.dg, o.hg, o.wg},
			{d0 * s - o.pad + base.d, h0 * s - o.pad + base.h, w0 * s - o.pad + base.w}, {s, every, every}, ext, PIECES, gThere);
		copy_box(to + plain, PITCH, o.p + (i64)n * o.dp * o.hp * o.wp * o.pBytes + o0 * ES, o.pBytes, {o.dp, o.hp, o.wp},
			{d0, h0, w0}, {1, 1, 1}, tile, N * ES / 16, pThere);
	};

	// A lane's place in 16 voxels that follow each other along w, and then h, and the way from there to what else it reads.
	const int ka = TF32 ? lane % 4 : (lane >> 4) * 8 + lane % 8, kb = TF32 ? lane % 4 : (lane >> 3 & 1) * 8 + lane % 8, group = lane / 4;
	const u32 rowA = ((j.d * ext.h + (ka >> o.lw) * apart + j.h) * ext.w + (ka & (tile.w - 1)) * apart + j.w) * PITCH + (TF32 ? group * 8 : (lane >> 3 & 1) * 16);
	const u32 rowB = plain + kb * PITCH + (TF32 ? group * 4 : (lane >> 4) * 16);
	const u32 four = 4 * apart * PITCH, row = apart * ext.w * PITCH, eight = o.lw == 3 ? row : 2 * four;
	const int lines = 16 >> o.lw, perPlane = tile.h / lines;
	const u32 plane = (ext.h - tile.h * apart) * ext.w * PITCH;

	// A thread sums one column, of every so many voxels, from an offset on that is beyond the tile if it has none.
	constexpr bool SUMS = !TF32 && N == 48;
	const int lines48 = blockDim.x / 48;
	const bool sums = SUMS && o.columns && blockIdx.x == 0;
	const u32 sumStep = lines48 * (o.bases * o.bases * planes) * PITCH;
	const u32 sumFrom = sums && threadIdx.x / 48 < lines48 ? (cls * lines48 + threadIdx.x / 48) * PITCH + threadIdx.x % 48 * 2 : 1 << 20;
	float sum = 0.f;

	float acc[3][FRAGS][4] = {};
	if (begin < end)
		copyTile(begin);
	for (int t = begin; t < end; t++) {
		arrive();
		if (t + 1 < end)
			copyTile(t + 1);
		const u32 stage = first + (t - begin & 1) * stageBytes;
		if (SUMS)
			for (u32 v = sumFrom; v < voxels * PITCH; v += sumStep)
				sum += shared_bf16(stage + plain + v);
		u32 from = stage + rowA, bt = stage + rowB;
		const u32 last = bt + (there ? voxels * PITCH : 0);
		for (int left = perPlane; bt != last; bt += 16 * PITCH) {
#pragma unroll
			for (int step = 0; step < (TF32 ? 2 : 1); step++) {
				u32 a[3][4], b[FRAGS][2];
				if (TF32) {
#pragma unroll
					for (int e = 0; e < 2; e++) {
#pragma unroll
						for (int f = 0; f < 3; f++)
							shared_pair(a[f][2 * e], a[f][2 * e + 1], from + step * eight + e * four + f * 64);
#pragma unroll
						for (int g = 0; g < FRAGS; g++)
							b[g][e] = shared_word(bt + (step * 8 + e * 4) * PITCH + g * 32);
					}
				} else {
#pragma unroll
					for (int f = 0; f < 3; f++)
						matrices_transposed(a[f], from + f * 32);
#pragma unroll
					for (int g = 0; g < FRAGS; g += 2) {
						u32 q[4]; // of three fragments the last is read with the one before
						matrices_transposed(q, bt + (g + 1 < FRAGS ? g : g - 1) * 16);
						b[g][0] = g + 1 < FRAGS ? q[0] : q[2], b[g][1] = g + 1 < FRAGS ? q[1] : q[3];
						if (g + 1 < FRAGS)
							b[(g + 1) % FRAGS][0] = q[2], b[(g + 1) % FRAGS][1] = q[3];
					}
				}
#pragma unroll
				for (int g = 0; g < FRAGS; g++)
#pragma unroll
					for (int f = 0; f < 3; f++)
						mma<TF32>(acc[f][g], a[f], b[g][0], b[g][1]);
			}
			from += lines * row;
			if (--left == 0)
				left = perPlane, from += plane;
		}
	}
	if (sums) {
		float *all = (float *)memory;
		__syncthreads(); // the last tile was read
		all[threadIdx.x] = sum;
		__syncthreads();
		if (threadIdx.x < 48 && o0 + threadIdx.x < o.cp) {
			for (int l = 1; l < lines48; l++)
				sum += all[l * 48 + threadIdx.x];
			o.columns[(i64)blockIdx.z * o.cp + o0 + threadIdx.x] = sum;
		}
	}
	if (!there)
		return;

	const int tap = (at.d * o.k + at.h) * o.k + at.w;
	float *part = o.part + ((i64)shareAt * o.k * o.k * o.k + tap) * o.cg * o.cp;
	const bool pairs = o.cp % 2 == 0;
#pragma unroll
	for (int f = 0; f < 3; f++)
#pragma unroll
		for (int half = 0; half < 2; half++) {
			int i = i0 + f * 16 + (TF32 ? group * 2 + half : half * 8 + group);
			if (i >= o.cg)
				continue;
			float *q = part + (i64)i * o.cp;
#pragma unroll
			for (int g = 0; g < FRAGS; g++) {
				int c = o0 + g * 8 + lane % 4 * 2;
				store_two(q + c, acc[f][g][half * 2], acc[f][g][half * 2 + 1], o.cp - c, pairs);
			}
		}
}

// Bounds that let two blocks of eight warps, of 24 columns of nine, have a multiprocessor's registers.
#define OUTER(name, tf32, n, bounds...)                                                                                                      \
	extern "C" __global__ void __launch_bounds__(bounds) name(float *part, const char *g, const char *p, int dg, int hg, int wg, int gBytes, \
		int cg, int batch, int dp, int hp, int wp, int pBytes, int cp, int k, int stride, int pad, int lw, int lh, int td, int tiles, int share, \
		int side, int deep, int bases, float *columns) {                                                                                     \
		outer<tf32, n>({part, g, p, dg, hg, wg, gBytes, cg, batch, dp, hp, wp, pBytes, cp, k, stride, pad, lw, lh, td, tiles, share, side,      \
			deep, bases, columns});                                                                                                          \
	}
OUTER(mma_grad_bf16_48, false, 48, 512)
OUTER(mma_grad_bf16_24, false, 24, 288, 2)
OUTER(mma_grad_tf32_48, true, 48, 512)
OUTER(mma_grad_tf32_24, true, 24, 288, 2)

// Gradients of a convolution's weights on tensor cores. One tensor is gathered (x, or dy where the convolution is
// transposed), the other is plain; each voxel v of the plain one meets voxel v·stride − pad + k of the gathered one:
//
//	C[(k, i), o] = Σ over v of gathered[v·stride − pad + k, i] · plain[v, o]
//
// variants: sm_80
//
// Work: a block of k² warps has 48 channels of the gathered tensor by 48 or 24 of the plain one for a plane of the window, a warp those of
// one position. It goes through its share of the tiles of 16 or 8 voxels along W by a few: a tile's voxels and those of the gathered
// tensor around them are copied to shared memory while the tile before is multiplied. blockIdx.z: the window's planes times the
// shares, whose parts conv_grad.cu's grad_finish adds in order. The operands were rounded by conv_mma.cu's mma_round.
//
// bf16 is read transposed by ldmatrix (mma_grad_bf16_48, mma_grad_bf16_24), tf32 word by word (mma_grad_tf32_48, mma_grad_tf32_24), 112 and 224
// bytes from voxel to voxel: no bank is met twice where the stride is 1.
//
// Shared memory: dynamic: two stages of a tile and its surroundings, at most 98 KiB; no shared memory of a fixed size. Bytes moved: both
// tensors, rounded, once for each plane of the window and each 48 channels of the other, the gathered one with its halo; the workspace twice.
#include "mma.cuh"

struct Outer {
	float *part;
	const char *g, *p;                      // gathered, plain, both rounded
	int dg, hg, wg, gBytes, cg;             // g: bytes of a voxel, channels
	int batch, dp, hp, wp, pBytes, cp;
	int k, stride, pad;
	int lw, lh, td;                         // tile: log2 of the extents along w and h, extent along d
	int tiles, share;                       // in all, of a share
};

template <bool TF32, int N> __device__ __forceinline__ void outer(const Outer &o) {
	constexpr int PITCH = TF32 ? 224 : 112, ES = TF32 ? 4 : 2, PIECES = 48 * ES / 16, FRAGS = N / 8, STEP = TF32 ? 8 : 16;
	extern __shared__ __align__(128) char memory[];
	const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, kh = warp / o.k, kw = warp % o.k, kd = blockIdx.z % o.k, shareAt = blockIdx.z / o.k;
	const int i0 = blockIdx.x * 48, o0 = blockIdx.y * N, s = o.stride;
	const Grid tile = {o.td, 1 << o.lh, 1 << o.lw}, ext = {tile.d, (tile.h - 1) * s + o.k, (tile.w - 1) * s + o.k};
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
			{d0 * s - o.pad + kd, h0 * s - o.pad, w0 * s - o.pad}, {s, 1, 1}, ext, PIECES, gThere);
		copy_box(to + plain, PITCH, o.p + (i64)n * o.dp * o.hp * o.wp * o.pBytes + o0 * ES, o.pBytes, {o.dp, o.hp, o.wp},
			{d0, h0, w0}, {1, 1, 1}, tile, N * ES / 16, pThere);
	};

	// A lane's place in a step of voxels that follow each other along w, and then h.
	const int ka = TF32 ? lane % 4 : (lane >> 4) * 8 + lane % 8, kb = TF32 ? lane % 4 : (lane >> 3 & 1) * 8 + lane % 8;
	const u32 rowA = (((ka >> o.lw) * s + kh) * ext.w + (ka & (tile.w - 1)) * s + kw) * PITCH + (TF32 ? lane / 4 * 4 : (lane >> 3 & 1) * 16);
	const u32 rowB = plain + kb * PITCH + (TF32 ? lane / 4 * 4 : (lane >> 4) * 16);

	float acc[3][FRAGS][4] = {};
	if (begin < end)
		copyTile(begin);
	for (int t = begin; t < end; t++) {
		arrive();
		if (t + 1 < end)
			copyTile(t + 1);
		const u32 stage = first + (t - begin & 1) * stageBytes;
#pragma unroll 2
		for (int v = 0; v < voxels; v += STEP) {
			int d = v >> (o.lw + o.lh), h = v >> o.lw & (tile.h - 1);
			u32 at = stage + rowA + ((d * ext.h + h * s) * ext.w + (v & (tile.w - 1)) * s) * PITCH, bt = stage + rowB + v * PITCH;
			const u32 half[2] = {at, at + 4 * s * PITCH}; // of a tf32 step
			u32 a[3][4], b[FRAGS][2];
			if (TF32) {
#pragma unroll
				for (int f = 0; f < 3; f++)
#pragma unroll
					for (int e = 0; e < 4; e++)
						a[f][e] = shared_word(half[e / 2] + f * 64 + e % 2 * 32);
#pragma unroll
				for (int g = 0; g < FRAGS; g++)
#pragma unroll
					for (int e = 0; e < 2; e++)
						b[g][e] = shared_word(bt + g * 32 + e * 4 * PITCH);
			} else {
#pragma unroll
				for (int f = 0; f < 3; f++)
					matrices_transposed(a[f], at + f * 32);
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
	}

	const int tap = (kd * o.k + kh) * o.k + kw;
	float *part = o.part + ((i64)shareAt * o.k * o.k * o.k + tap) * o.cg * o.cp;
	const bool pairs = o.cp % 2 == 0;
#pragma unroll
	for (int f = 0; f < 3; f++)
#pragma unroll
		for (int half = 0; half < 2; half++) {
			int i = i0 + f * 16 + half * 8 + lane / 4;
			if (i >= o.cg)
				continue;
			float *q = part + (i64)i * o.cp;
#pragma unroll
			for (int g = 0; g < FRAGS; g++) {
				int c = o0 + g * 8 + lane % 4 * 2;
				if (pairs && c < o.cp) {
					*(float2 *)(q + c) = make_float2(acc[f][g][half * 2], acc[f][g][half * 2 + 1]);
				} else {
					if (c < o.cp)
						q[c] = acc[f][g][half * 2];
					if (c + 1 < o.cp)
						q[c + 1] = acc[f][g][half * 2 + 1];
				}
			}
		}
}

#define OUTER(name, tf32, n)                                                                                                                 \
	extern "C" __global__ void __launch_bounds__(288) name(float *part, const char *g, const char *p, int dg, int hg, int wg, int gBytes,    \
		int cg, int batch, int dp, int hp, int wp, int pBytes, int cp, int k, int stride, int pad, int lw, int lh, int td, int tiles, int share) { \
		outer<tf32, n>({part, g, p, dg, hg, wg, gBytes, cg, batch, dp, hp, wp, pBytes, cp, k, stride, pad, lw, lh, td, tiles, share});           \
	}
OUTER(mma_grad_bf16_48, false, 48)
OUTER(mma_grad_bf16_24, false, 24)
OUTER(mma_grad_tf32_48, true, 48)
OUTER(mma_grad_tf32_24, true, 24)
